"""What the user's SSH configuration says of a host: ~/.ssh/config, then /etc/ssh/ssh_config, the first value wins.

Read as ssh reads it: Host and Match blocks, Include, tokens such as %h. Of its settings these count here: HostName,
User, Port, IdentityFile, IdentitiesOnly, ProxyJump, ProxyCommand, HostKeyAlias, UserKnownHostsFile, ConnectTimeout.
What a board of the inventory says itself (user, port, key, jump) comes first.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramiko.config import SSHConfig
from paramiko.ssh_exception import ConfigParseError, CouldNotCanonicalize

from bramble.errors import UsageError

SYSTEM = Path("/etc/ssh")
CONNECT_S = 30.0
INCLUDE = re.compile(r"include(?:\s*=\s*|\s+)(.+)", re.IGNORECASE)
BLOCK = re.compile(r"(?:host|match)[\s=]", re.IGNORECASE)
DEEPEST = 16
PERCENT = "\x01"  # stands for "%%" while tokens are filled in: the library does not know it
PLAIN = re.compile(r"[^\s\"'#%\x00-\x1f]*")


@dataclass(frozen=True)
class Way:
    """How to go to a host: where it really is, as whom, with which key files, over which hops.

    ``alias`` is the name a person uses, ``known_as`` the one that known_hosts has.
    """

    alias: str
    host: str
    port: int
    user: str
    known_as: str
    identities: tuple[str, ...] = ()
    identities_only: bool = False
    jumps: tuple[str, ...] = ()
    proxy_command: str = ""
    known_hosts: tuple[Path, ...] = ()
    connect_s: float = CONNECT_S


def way_to(alias: str, user: str = "", port: int = 0, jump: str | None = None) -> Way:
    """The way to ``alias``; what is given here (``jump`` as in ProxyJump) counts more than the configuration.

    Where nobody names a user it is the one who runs this. Raises UsageError for a configuration that cannot be read.
    """
    if not PLAIN.fullmatch(user):
        raise UsageError(f"{alias}: {user!r} is no user's name", "for example pi@raspberrypi.local")
    given = [f"User {user}"] * bool(user) + [f"Port {port}"] * bool(port)
    try:
        found = _lookup(alias, given)
        port = int(found.get("port", 22))
        seconds = float(found.get("connecttimeout", CONNECT_S))
    except (ConfigParseError, CouldNotCanonicalize, ImportError, ValueError, KeyError) as error:
        raise UsageError(f"the SSH configuration for {alias!r} cannot be used: {error}", _hint()) from error
    jumps, command = _over(found, jump)
    host = found["hostname"]
    name = (found.get("hostkeyalias") or (host if port == 22 else f"[{host}]:{port}")).lower()
    return Way(
        alias=alias,
        host=host,
        port=port,
        user=found.get("user") or os.environ.get("USER", ""),
        known_as=name,
        identities=tuple(path for path in found.get("identityfile", ()) if path.lower() != "none"),
        identities_only=found.get("identitiesonly", "").lower() == "yes",
        jumps=jumps,
        proxy_command=command,
        known_hosts=_known_hosts(found),
        connect_s=seconds,
    )


def _hint() -> str:
    return f"see {_home() / 'config'} and {SYSTEM / 'ssh_config'}; `ssh -G NAME` shows what ssh makes of them"


def _over(found: dict[str, Any], jump: str | None) -> tuple[tuple[str, ...], str]:
    """The hops, and the command that carries the link; of the two settings the first counts."""
    first = next((key for key in found if key in ("proxyjump", "proxycommand")), "")
    command = (found.get("proxycommand") or "") if first == "proxycommand" and jump is None else ""
    hops = jump if jump is not None else found.get("proxyjump", "") if first == "proxyjump" else ""
    return (() if hops.lower() == "none" else tuple(hop.strip() for hop in hops.split(",") if hop.strip())), command


def _known_hosts(found: dict[str, Any]) -> tuple[Path, ...]:
    named = found.get("userknownhostsfile")
    mine = [Path(name) for name in shlex.split(named)] if named else [_home() / "known_hosts", _home() / "known_hosts2"]
    return (*mine, SYSTEM / "ssh_known_hosts")


def _lookup(alias: str, given: list[str]) -> dict[str, Any]:
    mine, theirs = _lines(_home() / "config", _home(), 0), _lines(SYSTEM / "ssh_config", SYSTEM, 0)
    text = "\n".join(("Host *", *given, "Host *", *mine, "Host *", *theirs)).replace("%%", PERCENT)
    config = SSHConfig.from_text(text)
    tokens = {**SSHConfig.TOKENS_BY_CONFIG_KEY, "userknownhostsfile": ["~", "%d", "%h", "%r", "%u"]}
    # only those that occur: the library would ask the network for our own full name, whether it is wanted or not
    config.TOKENS_BY_CONFIG_KEY = {key: [token for token in some if token in text] for key, some in tokens.items()}
    found: dict[str, Any] = config.lookup(alias)
    for key, value in found.items():
        if value is not None:
            whole = isinstance(value, str)
            found[key] = value.replace(PERCENT, "%") if whole else [one.replace(PERCENT, "%") for one in value]
    return found


def _lines(path: Path, folder: Path, depth: int) -> Iterator[str]:
    """The lines of a file with what it includes; relative names are below ``folder``."""
    if depth > DEEPEST:
        raise UsageError(f"{path}: more than {DEEPEST} files include each other", _hint())
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "check the file") from error
    block = "Host *"
    for line in map(str.strip, text.splitlines()):
        included = INCLUDE.fullmatch(line)
        if BLOCK.match(line):
            block = line
        if included is None:
            yield line
            continue
        for pattern in shlex.split(included[1]):
            whole = folder / Path(pattern).expanduser()
            for one in sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor)))):
                yield from _lines(one, folder, depth + 1)
        yield block  # a block of an included file ends with it


def _home() -> Path:
    return Path.home() / ".ssh"
