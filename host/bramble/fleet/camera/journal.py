"""What a camera's service has said, from the journal of its board."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from bramble.fleet.camera.manager import Manager
from bramble.fleet.follow import Follow
from bramble.fleet.types import Done

# The journal ends once our end of the link does: it would wait for ever for a line to come, and its reader not know.
UNTIL_INPUT_ENDS = (
    'exec 3<&0; "$@" </dev/null & job=$!; { cat <&3 >/dev/null; kill $job; } 2>/dev/null & exec 3<&-; wait $job'
)


@dataclass(frozen=True)
class Entry:
    """One entry: seconds since 1970, and what was said."""

    at: float
    said: str


def entries(manager: Manager, lines: int) -> list[Entry]:
    """The last entries."""
    done = manager.connection.run(_argv(manager, lines), b"", 60.0)
    found = (entry(raw) for raw in done.stdout.splitlines())
    return [one for one in found if one is not None]


def last_lines(manager: Manager, lines: int) -> str:
    """The last entries as one text, for a message."""
    return "; ".join(one.said for one in entries(manager, lines))


def follow(manager: Manager, lines: int, on_entry: Callable[[Entry], None], over: Callable[[], bool]) -> Done:
    """The last entries, and those that come, until ``over`` says so."""

    def hear(raw: bytes) -> None:
        one = entry(raw)
        if one is not None:
            on_entry(one)

    argv = ["sh", "-c", UNTIL_INPUT_ENDS, "sh", *_argv(manager, lines), "--follow"]
    return manager.connection.follow(argv, Follow(b"", hear, over))


def entry(raw: bytes) -> Entry | None:
    """An entry as ``journalctl --output=json`` prints it; None for what is none."""
    try:
        held = json.loads(raw)
        said = held["MESSAGE"]
        text = bytes(said).decode(errors="replace") if isinstance(said, list) else str(said)
        return Entry(int(held["__REALTIME_TIMESTAMP"]) / 1e6, text)
    except (ValueError, KeyError, TypeError):
        return None


def _argv(manager: Manager, lines: int) -> list[str]:
    how = ["--output=json", "--output-fields=MESSAGE", f"--lines={lines}", "--no-pager"]
    if manager.system:
        sudo = ["sudo", "-n"] if manager.place.uid and "sudo" in manager.place.can else []
        return [*sudo, "journalctl", f"--unit={manager.unit}", *how]
    return ["journalctl", f"--user-unit={manager.unit}", *how]
