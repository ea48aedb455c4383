"""The user's SSH configuration means to us what it means to ssh, which is asked in these tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bramble.errors import UsageError
from bramble.fleet.inventory import parse_address
from bramble.fleet.ssh import config as ssh_config
from bramble.fleet.ssh.config import way_to

CONFIG = """
# boards of the garden
Include conf.d/*.conf

Host rose rose2
    HostName 10.0.0.7
    User pi
    Port 2222
    IdentityFile ~/.ssh/garden
    IdentityFile "/keys/my key"
    IdentitiesOnly yes
    ConnectTimeout 7

Host fern
    HostName=%h.garden.example
    ProxyJump pi@gate:2200,inner
    HostKeyAlias the-fern
Host moss
    ProxyCommand nc --via %r@gate %h %p
    ProxyJump gate
Host ivy
    ProxyJump none
    ProxyCommand nc %h %p
Host six
    HostName fe80::1%%lo
Host *.lan !bad.lan
    User lan
    ProxyJump gate
Match originalhost oak user root
    Port 2022
Host oak
    User root
Match host 10.0.0.7
    ServerAliveInterval 5
    HostKeyAlias late
Host *
    User someone
    Port 22
    IdentityFile ~/.ssh/everyone
"""
INCLUDED = "Host included\n  HostName 192.0.2.1\n  Port 2201\nHost rose2\n  User first\n"
ALIASES = [
    "rose",
    "rose2",
    "fern",
    "moss",
    "ivy",
    "a.lan",
    "bad.lan",
    "oak",
    "six",
    "included",
    "nobody",
    "10.0.0.7",
    "::1",
]


@pytest.fixture
def config(ssh_home: Path) -> Path:
    """The configuration above as the user's own."""
    (ssh_home / "conf.d").mkdir()
    (ssh_home / "conf.d/a.conf").write_text(INCLUDED)
    (ssh_home / "config").write_text(CONFIG)
    return ssh_home / "config"


def asked(config: Path, alias: str, *more: str) -> dict[str, str]:
    """What ssh makes of it: ``ssh -G``; the includes are named in full, as ssh takes them from the real home."""
    if shutil.which("ssh") is None:
        pytest.skip("ssh is not there: apt install openssh-client")
    plain = config.with_name("plain")
    plain.write_text(config.read_text().replace("conf.d/", f"{config.parent}/conf.d/"))
    told = subprocess.run(
        ["ssh", "-G", "-F", plain, *more, alias], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return dict(line.partition(" ")[::2] for line in reversed(told))


@pytest.mark.parametrize("alias", ALIASES)
def test_as_ssh_reads_it(config: Path, alias: str) -> None:
    """Host, user, port, hops, proxy, timeout: what ssh says."""
    way, ssh = way_to(alias), asked(config, alias)
    assert (way.host, way.user, str(way.port)) == (ssh["hostname"], ssh["user"], ssh["port"])
    assert ",".join(way.jumps) == ssh.get("proxyjump", "")
    assert way.identities_only == (ssh["identitiesonly"] == "yes")
    assert way.connect_s == float(ssh["connecttimeout"].replace("none", "30"))
    alias_of_key = ssh.get("hostkeyalias", "")
    assert way.known_as == (
        alias_of_key or (ssh["hostname"] if ssh["port"] == "22" else f"[{ssh['hostname']}]:{ssh['port']}")
    )
    assert way.identities == tuple(
        path.replace(str(Path("~").expanduser()), str(config.parent.parent))
        for path in (str(Path(name).expanduser()) for name in identities(config, alias))
    )


def identities(config: Path, alias: str) -> list[str]:
    """The key files that ssh would try, in order."""
    told = subprocess.run(
        ["ssh", "-G", "-F", config.with_name("plain"), alias], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return [line.partition(" ")[2] for line in told if line.startswith("identityfile ")]


@pytest.mark.parametrize(("alias", "user", "port"), [("rose", "root", 22), ("oak", "root", 0), ("oak", "pi", 0)])
def test_given_counts_more(config: Path, alias: str, user: str, port: int) -> None:
    """User and port of the board itself come before the configuration's, and blocks match on them as in ssh."""
    words = ("-l", user, *(("-p", str(port)) if port else ()))
    way, ssh = way_to(alias, user, port), asked(config, alias, *words)
    assert (way.host, way.user, str(way.port)) == (ssh["hostname"], ssh["user"], ssh["port"])


def test_proxy_command(config: Path) -> None:
    """Of command and hops the one that is named first counts, with its tokens filled in; none is none."""
    assert way_to("moss", "pi", 2200).proxy_command == "nc --via pi@gate moss 2200"
    assert way_to("moss").jumps == ()
    assert way_to("ivy").proxy_command == ""
    assert way_to("fern").jumps == ("pi@gate:2200", "inner")
    assert way_to("fern", jump="other").jumps == ("other",)
    assert way_to("moss", jump="none") == way_to("moss", jump="none")
    assert way_to("moss", jump="none").proxy_command == ""


def test_no_configuration(ssh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any file a host is itself, and known_hosts are the usual ones."""
    monkeypatch.setenv("USER", "me")
    way = way_to("Rose.local")
    assert (way.host, way.port, way.user, way.known_as) == ("Rose.local", 22, "me", "rose.local")
    assert way.known_hosts[:2] == (ssh_home / "known_hosts", ssh_home / "known_hosts2")


def test_system_configuration_comes_last(ssh_home: Path, tmp_path: Path) -> None:
    """/etc/ssh/ssh_config fills in what the user's file leaves open; its includes are beside it."""
    ssh_config.SYSTEM.mkdir()
    (ssh_config.SYSTEM / "ssh_config").write_text("Include more\nHost a\n  User system\n  Port 7\n")
    (ssh_config.SYSTEM / "more").write_text("HostName 192.0.2.9\n")
    (ssh_home / "config").write_text("Host a\n  User mine\n")
    way = way_to("a")
    assert (way.user, way.port, way.host) == ("mine", 7, "192.0.2.9")


def test_address_by_alias(config: Path) -> None:
    """``bramble board add NAME rose`` takes user and port from the configuration, what is typed comes first."""
    assert parse_address("rose") == ("pi", "rose", 2222)
    assert parse_address("root@rose") == ("root", "rose", 2222)
    assert parse_address("root@rose:22") == ("root", "rose", 22)


@pytest.mark.parametrize(
    "text",
    ["Host\n", "Port many\n", "Match\n", "ConnectTimeout soon\n", "Include config\n"],
)
def test_configuration_that_cannot_be_used(ssh_home: Path, text: str) -> None:
    """A configuration with a fault, or that we cannot follow, is an error of use that names the file."""
    (ssh_home / "config").write_text(text)
    with pytest.raises(UsageError) as caught:
        way_to("a")
    assert str(ssh_home / "config") in caught.value.message + caught.value.hint


@pytest.mark.parametrize("user", ["a\nProxyCommand touch /tmp/bramble-was-here", "a b", 'a"', "%h", "#"])
def test_user_cannot_bring_settings(ssh_home: Path, user: str) -> None:
    """A user's name in boards.toml is a name, not a line of configuration."""
    with pytest.raises(UsageError, match="no user's name"):
        way_to("a", user)


def test_own_name_is_not_looked_up(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that does not ask for our own full name does not wait for the network to know it."""

    def never(*_: object) -> str:
        raise AssertionError("looked up")

    monkeypatch.setattr("socket.getfqdn", never)
    assert way_to("rose").host == "10.0.0.7"
