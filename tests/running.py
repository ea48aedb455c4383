"""Run Bramble for tests: the command in a process of its own, the pipeline in this one, and what it told."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bramble.events import Event, StageBegan
from bramble.pipeline import Built, Options, build
from bramble.reading import read_recipe

ONE_EPOCH = "stage.0.epochs=1"


@dataclass(frozen=True)
class Run:
    """A finished run of the pipeline and every event it sent."""

    runs: Path
    built: Built
    events: tuple[Event, ...]

    @property
    def stages(self) -> list[tuple[str, bool]]:
        """The stages in order, and whether each was found rather than computed."""
        return [(event.name, event.cached) for event in self.events if isinstance(event, StageBegan)]


def run_pipeline(recipe: str | Path, runs: Path, *overrides: str, fresh: bool = False, strict: bool = False) -> Run:
    """Run a recipe into ``runs``."""
    events: list[Event] = []
    how = Options(runs=runs, fresh=fresh, strict=strict)
    built = build(read_recipe(str(recipe), overrides), how, events.append)
    return Run(runs, built, tuple(events))


def environment(**more: str) -> dict[str, str]:
    """This process's environment without the user's own Bramble settings, but with the test's home."""
    kept = {name: value for name, value in os.environ.items() if name not in ("BRAMBLE_DATA", "BRAMBLE_RUNS")}
    return {**kept, "COLUMNS": "120", **more}


def bramble(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m bramble`` with these words, in ``cwd``, to its end; its output is no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "bramble", *map(str, words)],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@dataclass(frozen=True)
class Terminal:
    """A process whose stderr is a terminal, seen from the other end."""

    process: subprocess.Popen[bytes]
    handle: int

    def read_until(self, wanted: str) -> str:
        """What it shows until ``wanted`` appears or it ends."""
        seen = b""
        while wanted.encode() not in seen:
            try:
                seen += os.read(self.handle, 4096)
            except OSError:  # it has ended
                break
        return seen.decode(errors="replace")


@contextmanager
def on_terminal(*words: str | Path, cwd: Path) -> Iterator[Terminal]:
    """Run Python with these words on a terminal; it has ended when this ends."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, *map(str, words)], cwd=cwd, env=environment(TERM="xterm"), stderr=theirs, stdout=theirs
        ) as process:
            os.close(theirs)
            yield Terminal(process, ours)
    finally:
        os.close(ours)
