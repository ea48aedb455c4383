"""known_hosts is read as ssh-keygen reads it, which is asked in these tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bramble.errors import UsageError
from bramble.fleet.ssh.known_hosts import Known, known_hosts
from serving import make_key

NAMES = ["rose", "[rose]:2222", "10.0.0.7", "a.lan", "bad.lan", "x.y.lan", "gate", "[gate]:22", "fern", "nobody", "::1"]


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """Three public keys, "type base64"."""
    made = [make_key(tmp_path / f"key{number}") for number in range(3)]
    return [" ".join(key.with_suffix(".pub").read_text().split()[:2]) for key in made]


@pytest.fixture
def file(tmp_path: Path, keys: list[str]) -> Path:
    """A known_hosts with plain names, ports, patterns, a hashed name, comments and rubbish."""
    hashed = tmp_path / "hashed"
    hashed.write_text(f"fern {keys[2]}\n[gate]:2200 {keys[2]}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", hashed], check=True, capture_output=True)
    path = tmp_path / "known"
    path.write_text(
        f"# comment\n\nrose,10.0.0.7 {keys[0]} me@here\n[rose]:2222 {keys[1]}\n*.lan,!bad.lan {keys[1]}\n"
        f"rubbish\nrose\n|1|no|hash {keys[0]}\n::1 {keys[0]}\n{hashed.read_text()}gate {keys[0]}\nrose {keys[2]}\n"
    )
    return path


@pytest.mark.parametrize("name", [*NAMES, "[gate]:2200"])
def test_as_ssh_keygen_finds(file: Path, name: str) -> None:
    """The keys of a host are those that ``ssh-keygen -F`` finds."""
    told = subprocess.run(["ssh-keygen", "-F", name, "-f", file], capture_output=True, text=True, check=False).stdout
    expected = [" ".join(line.split()[1:3]) for line in told.splitlines() if not line.startswith("#")]
    assert list(known_hosts([file], name).keys) == expected


def test_several_files(file: Path, tmp_path: Path, keys: list[str]) -> None:
    """All files count, missing ones hold nothing, and a key is named once."""
    other = tmp_path / "other"
    other.write_text(f"gate {keys[0]}\ngate {keys[2]}\n")
    assert known_hosts([tmp_path / "none", file, other], "gate") == Known((keys[0], keys[2]))
    assert known_hosts([tmp_path / "none"], "gate") == Known()


def test_kinds(tmp_path: Path) -> None:
    """The types of a host's keys, each once."""
    assert Known(("ssh-rsa A", "ssh-ed25519 B", "ssh-rsa C")).kinds == ("ssh-rsa", "ssh-ed25519")


def test_markers(tmp_path: Path, keys: list[str]) -> None:
    """A revoked key is told apart; an authority is not a host's own key."""
    path = tmp_path / "known"
    path.write_text(f"@revoked * {keys[0]}\n@cert-authority * {keys[1]}\nrose {keys[2]}\n")
    assert known_hosts([path], "rose") == Known((keys[2],), (keys[0],))


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder in its place is an error of use."""
    with pytest.raises(UsageError, match="cannot be read"):
        known_hosts([tmp_path], "rose")
