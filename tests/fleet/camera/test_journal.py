"""The journal's lines, read and followed; a follower that ends when we do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bramble.fleet.camera import journal
from bramble.fleet.camera.journal import Entry, entry
from bramble.fleet.camera.manager import Manager, managers
from bramble.fleet.camera.place import Place
from bramble.fleet.local import LocalConnection
from bramble.fleet.types import LOCAL, Board
from looking import until

JOURNALCTL = """#!/bin/sh
echo "$*" >> "$0.asked"
echo '-- noise --'
echo '{"__REALTIME_TIMESTAMP":"1700000000500000","MESSAGE":"hello"}'
case "$*" in *--follow*) echo $$ > "$0.pid"; while :; do sleep 0.05; done;; esac
"""


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manager:
    """A user's manager on a machine whose journalctl is a stand-in."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/journalctl").write_text(JOURNALCTL)
    (tmp_path / "bin/journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    board = Board(LOCAL, root=str(tmp_path))
    place = Place("/", "/home/pi", str(tmp_path), "/usr/bin/python3", "pi", 1000, can=frozenset({"systemd"}))
    return managers(LocalConnection(board), board, place, "camera")[0]


def test_entries(manager: Manager, tmp_path: Path) -> None:
    """Noise is left out; asked is for this unit of the user's."""
    assert journal.entries(manager, 7) == [Entry(1700000000.5, "hello")]
    assert journal.last_lines(manager, 7) == "hello"
    asked = (tmp_path / "bin/journalctl.asked").read_text().split("\n")[0]
    assert asked == "--user-unit=bramble-camera.service --output=json --output-fields=MESSAGE --lines=7 --no-pager"


def test_follow_and_end(manager: Manager, tmp_path: Path) -> None:
    """What comes is told; our wish ends the journal on the board, which would wait for ever."""
    told: list[Entry] = []
    journal.follow(manager, 3, told.append, lambda: bool(told))
    assert told == [Entry(1700000000.5, "hello")]
    pid = (tmp_path / "bin/journalctl.pid").read_text().strip()
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"__REALTIME_TIMESTAMP": "1000000", "MESSAGE": "a"}, Entry(1.0, "a")),
        ({"__REALTIME_TIMESTAMP": "1000000", "MESSAGE": [104, 255]}, Entry(1.0, "h\ufffd")),
        ({"__REALTIME_TIMESTAMP": "x", "MESSAGE": "a"}, None),
        ({"MESSAGE": "a"}, None),
        ([], None),
    ],
)
def test_entry(raw: Any, expected: Entry | None) -> None:
    """As journalctl prints them: bytes that are no text come as a list."""
    assert entry(json.dumps(raw).encode()) == expected


def test_no_json() -> None:
    """Not an entry."""
    assert entry(b"-- Boot 1234 --") is None
