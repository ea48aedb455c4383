"""One line a board while a verb works on many: live on a terminal, elsewhere a line for each step.

A terminal that is too low shows the boards that work or failed, and counts the others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bramble.cli.screen import INTERRUPTED, chatter_caught, drawing, live
from bramble.events import Event, Note, Sent, Step
from bramble.fleet.rollout import OnChange, Outcome
from bramble.report.verdict import Verdict

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from bramble.fleet.types import Board

R = TypeVar("R")

State = Callable[[R], tuple[Verdict, str]]
SENT, VERIFYING = " % sent", "verifying"
WAITING, WORKING, FAILED = "waiting", "working", "failed"
LOOK = {
    WAITING: ("·", "dim"),
    FAILED: ("✗", "red"),
    Verdict.PASS: ("✓", "green"),
    Verdict.MISSED: ("✗", "red"),
    Verdict.UNDECIDED: ("?", "yellow"),
}
NAME_WIDTH = 24  # columns of a board's name, at most
MARGIN = 4  # columns that stay free: a ^C that is typed must not begin a new line
SPOKEN_S = 2.0  # a step that takes longer shows for how long


@dataclass(frozen=True)
class Line:
    """What a board is at: ``kind`` is waiting, working, failed or a verdict; ``since`` a moment of the steady clock."""

    text: str = WAITING
    kind: str = WAITING
    since: float = field(default_factory=time.monotonic)


@contextmanager
def lines(boards: Sequence[Board], state: State[R]) -> Iterator[OnChange[R]]:
    """Show what happens on boards while work runs inside; ``state`` says how a result is told in a few words.

    Ctrl-C says how far each board came and exits with 130.
    """
    keep = not os.isatty(1)  # where a summary follows on the same terminal, the lines make place for it
    with chatter_caught() as stderr:
        shown = (_Live if stderr.isatty() else _Plain)(stderr, boards, state)
        try:
            with shown:
                yield shown
                shown.keep = keep
        except KeyboardInterrupt:
            stderr.write(f"interrupted: {_how_far(shown.lines)}\n")
            raise SystemExit(INTERRUPTED) from None


def line_of(name: str, change: Event | Outcome[R], state: State[R], before: Line) -> Line:
    """The line of board ``name`` after a change."""
    match change:
        case Step():
            return Line(change.name, WORKING)
        case Sent() if change.done < change.of:
            return Line(f"{100 * change.done // change.of}{SENT}", WORKING)
        case Sent():
            return before if before.text == VERIFYING else Line(VERIFYING, WORKING)
        case Outcome(error=None, result=result):
            verdict, words = state(result)  # type: ignore[arg-type]  # a job may return None
            return Line(words, verdict)
        case Outcome(error=error):
            message = error.message.removeprefix(f"{name}: ")  # type: ignore[union-attr]  # not None: the case before
            return Line(f"failed: {message}", FAILED)
    return before


def fitting(shown: dict[str, Line], height: int) -> list[str]:
    """The names of those lines that fit, in their order: who works first, then who failed, then the others."""
    if len(shown) <= height:
        return list(shown)
    rank = {WORKING: 0, FAILED: 1, Verdict.MISSED: 1, WAITING: 3}
    first = sorted(shown, key=lambda name: rank.get(shown[name].kind, 2))[:height]
    return [name for name in shown if name in first]


class _Told(Generic[R]):
    """The lines of all boards as they are now."""

    def __init__(self, stderr: Any, boards: Sequence[Board], state: State[R]) -> None:
        self.lines = {board.name: Line() for board in boards}
        self.keep = True
        self._stderr, self._state = stderr, state

    def __enter__(self) -> _Told[R]:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, board: Board, change: Event | Outcome[R]) -> None:
        before = self.lines[board.name]
        self.lines[board.name] = line_of(board.name, change, self._state, before)
        self._changed(board.name, before, change)

    def _changed(self, name: str, before: Line, change: Event | Outcome[R]) -> None:
        """Show it."""


class _Plain(_Told[R]):
    """A line for each step and end, for logs and pipes."""

    def _changed(self, name: str, before: Line, change: Event | Outcome[R]) -> None:
        line = self.lines[name]
        if isinstance(change, Note):
            if change.warning:
                self._stderr.write(f"warning: {change.text}\n")
        elif line.text != before.text and not line.text.endswith(SENT):
            self._stderr.write(f"{name}: {line.text}\n")


class _Live(_Told[R]):
    """All lines at once, drawn anew as they change."""

    def __init__(self, stderr: Any, boards: Sequence[Board], state: State[R]) -> None:
        super().__init__(stderr, boards, state)
        self._console, self._spinner = drawing(stderr)
        self._live = live(self._console, self._drawn)

    def __enter__(self) -> _Live[R]:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.transient = not self.keep
        self._live.stop()

    def _changed(self, name: str, before: Line, change: Event | Outcome[R]) -> None:
        if isinstance(change, Note) and change.warning:
            self._console.print(change.text, style="yellow", markup=False)

    def _drawn(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        now = dict(self.lines)
        table = Table.grid(padding=(0, 1))
        table.width = self._console.width - MARGIN
        table.add_column(width=1)
        table.add_column(no_wrap=True, overflow="ellipsis", min_width=min(NAME_WIDTH, max(map(len, now))))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name in fitting(now, self._console.size.height - 2):
            table.add_row(*self._row(name, now[name]))
        table.add_row("", "", Text(_how_far(now), style="dim"))
        return table

    def _row(self, name: str, line: Line) -> tuple[Any, str, Text]:
        from rich.text import Text

        if line.kind == WORKING:
            passed = time.monotonic() - line.since
            return self._spinner, name, Text(line.text + (f" {passed:.0f} s" if passed >= SPOKEN_S else ""))
        mark, style = LOOK[line.kind]
        return Text(mark, style), name, Text(line.text, style)


def _how_far(shown: dict[str, Line]) -> str:
    """How many boards are at what."""
    kinds = [line.kind for line in shown.values()]
    count = {kind: kinds.count(kind) for kind in (WAITING, WORKING, FAILED)}
    done = len(kinds) - sum(count.values())
    words = [f"{done} of {len(kinds)} done"]
    words += [
        f"{count[kind]} {word}"
        for kind, word in ((FAILED, FAILED), (WORKING, "at work"), (WAITING, WAITING))
        if count[kind]
    ]
    return ", ".join(words)
