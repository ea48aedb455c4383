"""One line while a verb works on one board: the step and how long it lasts; without a terminal a line for each step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bramble.cli.lines import MARGIN, SENT, SPOKEN_S, WORKING, Line, line_of
from bramble.cli.screen import INTERRUPTED, chatter_caught, drawing, live
from bramble.events import Event, Note, OnEvent
from bramble.report.verdict import Verdict

if TYPE_CHECKING:
    from rich.table import Table

SWITCHING = ("checking", "verifying")  # steps in which the board may make a release current


@dataclass(frozen=True)
class Show:
    """What is shown besides the live line of a terminal: ``notes`` as they come, ``steps`` where there is no terminal.

    With ``quiet`` (--json) there is no line at all. ``switches`` is whether the verb makes a release current.
    """

    notes: bool = True
    steps: bool = True
    quiet: bool = False
    switches: bool = False


@contextmanager
def at_work(name: str, how: Show) -> Iterator[OnEvent]:
    """Show what happens on board ``name`` while work runs inside. Ctrl-C says what is there now and exits with 130."""
    with chatter_caught() as stderr:
        shown = (_Live if stderr.isatty() and not how.quiet else _Plain)(stderr, name, how)
        try:
            with shown:
                yield shown
        except KeyboardInterrupt:
            stderr.write(f"interrupted: {name}: {_left(name, shown.line, how)}\n")
            raise SystemExit(INTERRUPTED) from None


def _left(name: str, line: Line, how: Show) -> str:
    from bramble.fleet.ask import left_behind

    return left_behind("release" if how.switches and line.text in SWITCHING else "", name)


class _Plain:
    """A line for each step and note, for logs and pipes."""

    def __init__(self, stderr: Any, name: str, how: Show) -> None:
        self.line = Line("connecting", WORKING)
        self._stderr, self._name, self._how = stderr, name, how

    def __enter__(self) -> _Plain:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, event: Event) -> None:
        before = self.line
        self.line = _line(self._name, event, before)
        if isinstance(event, Note):
            if self._how.notes:
                self._note(event)
        elif self.line.text != before.text:
            self._step()

    def _note(self, note: Note) -> None:
        self._stderr.write(f"{'warning: ' if note.warning else ''}{note.text}\n")

    def _step(self) -> None:
        if self._how.steps and not self._how.quiet and not self.line.text.endswith(SENT):
            self._stderr.write(f"{self._name}: {self.line.text}\n")


class _Live(_Plain):
    """The step and its seconds in one line, drawn anew as time goes by; notes stay above it."""

    def __init__(self, stderr: Any, name: str, how: Show) -> None:
        super().__init__(stderr, name, how)
        self._console, self._spinner = drawing(stderr)
        self._live = live(self._console, self._drawn, transient=True)

    def __enter__(self) -> _Live:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _note(self, note: Note) -> None:
        self._console.print(note.text, style="yellow" if note.warning else "dim", markup=False)

    def _step(self) -> None:
        """The line is drawn all the time."""

    def _drawn(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        line = self.line
        passed = time.monotonic() - line.since
        table = Table.grid(padding=(0, 1))
        table.width = self._console.width - MARGIN
        table.add_column(width=1)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        seconds = f" {passed:.0f} s" if passed >= SPOKEN_S else ""
        table.add_row(self._spinner, Text(f"{self._name}: {line.text}{seconds}"))
        return table


def _line(name: str, event: Event, before: Line) -> Line:
    """What the line says after an event: a note that is no warning tells a step too ("installing and proving it")."""
    if isinstance(event, Note):
        return before if event.warning else Line(event.text.removeprefix(f"{name}: "), WORKING)
    return line_of(name, event, _none, before)


def _none(_: None) -> tuple[Verdict, str]:
    """There are events only: no outcome is told here."""
    return Verdict.PASS, ""
