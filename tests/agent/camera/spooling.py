"""Events and spools for tests; as a program, one that is killed: ``python spooling.py FOLDER RUN``."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from bramble_agent.camera.budget import Budget
from bramble_agent.camera.event import Box, Event
from bramble_agent.camera.segments import Segments
from bramble_agent.camera.spool import Sizes, Spool

PLENTY = 1 << 40
SMALL = Sizes(most=100_000, memory=20_000, file=1_000, window=5)


class Clock:
    """A clock that is set by hand."""

    now = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def event(number: int, run: str = "run") -> Event:
    """An event; about 190 bytes of JSON."""
    return Event(f"{run}-{number}", 1.5, "seen", "cat", 0.9, number, 1.0, "r", Box(0.0, 0.25, 0.5, 1.0))


def spool(
    folder: Path, sizes: Sizes = SMALL, budget: Budget | None = None, clock: Callable[[], float] | None = None
) -> Spool:
    """One that is open."""
    made = Spool(Segments(folder / "memory", folder / "disk"), budget or Budget(PLENTY), sizes, clock or Clock())
    made.open()
    return made


def taken(spool: Spool, most: int = PLENTY) -> list[str]:
    """The ids of all that waits (or of ``most``), each done."""
    found = []
    while len(found) < most:
        waiting = spool.first()
        if waiting is None:
            break
        found.append(waiting.event.id)
        spool.done(waiting)
    return found


def ids(*numbers: int) -> list[str]:
    """The ids of these events."""
    return [f"run-{number}" for number in numbers]


def files(folder: Path) -> list[str]:
    """The files of events, in RAM and on the disk."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.events"))


def main(folder: Path, run: str) -> None:
    """Put, take, settle at random for ever; a line for each event put ("+id") and each about to be done ("-id").

    A line is one write(2), written after ``put`` and before ``done``: what was said can be relied on.
    """
    chance = random.Random(run)  # noqa: S311
    held = spool(folder, Sizes(PLENTY, PLENTY, 1_000, 5), clock=Clock())  # nothing may be dropped
    number = 0
    while True:
        for _ in range(chance.randrange(12)):
            if held.put(event(number, run), None, 0):
                os.write(1, f"+{run}-{number}\n".encode())
            number += 1
        for _ in range(chance.randrange(14)):
            waiting = held.first()
            if waiting is None:
                break
            os.write(1, f"-{waiting.event.id}\n".encode())
            held.done(waiting)
        if chance.random() < 0.3:
            held.settle(now=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
