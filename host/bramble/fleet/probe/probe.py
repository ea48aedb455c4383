"""One look at a board: one command, one answer, whatever is or is not installed there.

``probe.sh`` goes to a plain ``sh`` on standard input, so nothing is left on the board and no Python is needed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from importlib import resources

from bramble.errors import UnreachableError
from bramble.fleet.probe.describe import describe
from bramble.fleet.probe.records import Records, integer, read_records
from bramble.fleet.probe.survey import Survey
from bramble.fleet.types import Connection, Done

TIMEOUT_S = 120.0  # a slow board starts several Pythons, for seconds each


def survey(
    connection: Connection,
    now: Callable[[], float] = time.time,
    *,
    pythons: Sequence[str] = (),
    name: str = "the board",
    root: str = "",
) -> Survey:
    """Look at a board once. ``pythons`` are looked at first; ``root`` stands before /proc, /sys, /etc, /dev and /lib.

    Raises UnreachableError, calling the board ``name``, where no shell answers to the end.
    """
    mark = f"bramble-{secrets.token_hex(8)}"
    began = now()
    done = connection.run(["sh", "-s", mark, root, connection.root, *filter(None, pythons)], script(), TIMEOUT_S)
    ended = now()
    told = read_records(done.stdout, mark)
    _check(told, done, name)
    return describe(told, _skew(told, began, ended))


def script() -> bytes:
    """The shell script that looks."""
    return resources.files("bramble.fleet.probe").joinpath("probe.sh").read_bytes()


def _check(told: Records, done: Done, name: str) -> None:
    """Raise where the answer has no end: a survey of half a board would blame it for the rest."""
    if told.has("end"):
        return
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    how = f"exit status {done.status}" if done.status >= 0 else "killed by a signal"
    last = f"; it said: {lines[-1]}" if lines else ""
    if told.has("begin"):
        raise UnreachableError(f"{name}: the look at it stopped in the middle ({how}){last}", "try again")
    raise UnreachableError(
        f"{name}: no shell answered ({how}){last}", "logging in must give a POSIX shell: try `ssh … sh -c 'echo there'`"
    )


def _skew(told: Records, began: float, ended: float) -> float | None:
    """The board's clock minus ours, as NTP does it: the middle of both ends; whole seconds are on average half more."""
    clocks = [integer(one) for one in told.all("clock")]
    if len(clocks) != 2 or clocks[0] is None or clocks[1] is None:
        return None
    return round((clocks[0] + clocks[1] + 1.0 - began - ended) / 2.0, 1)
