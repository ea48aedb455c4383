"""A verb on many boards: lines while it runs, then a table or JSON, and one exit code for all.

The exit code is the worst of all boards: 0 pass < 4 undecided < 3 missed < 7 rolled back < 6 incompatible
< 5 unreachable < 2 cannot be used < 1 anything else. A board that was left untouched adds nothing to it: the one that
held it back does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bramble.cli.lines import LOOK, State, lines
from bramble.cli.screen import show, show_json
from bramble.errors import BoardBusyError, BrambleError, StorageError
from bramble.fleet.rollout import Job, Outcome, Rollout, Waves, in_waves, worst
from bramble.report.units import DASH
from bramble.report.verdict import Verdict

if TYPE_CHECKING:
    from rich.table import Table

    from bramble.fleet.types import Board

R = TypeVar("R")

UNTOUCHED = "not touched"
PLURAL = {"agrees": "agree", "DIFFERS": "DIFFER"}
KINDS = {2: "not usable", 5: "unreachable", 6: "incompatible", 7: "rolled back"}  # of errors, by exit code


@dataclass(frozen=True)
class Telling(Generic[R]):
    """How a verb tells its results.

    ``titles`` and ``cells`` make the table's columns after the board's name, the last one is the verdict; ``state`` is
    the verdict and what the line of a board ends with, ``value`` the JSON, ``wrong`` what the gate between waves finds
    ("" if nothing), ``words`` what a verdict is called where boards are counted. With ``listed`` the JSON is a list of
    reports, else an object by board.
    """

    titles: tuple[str, ...]
    cells: Callable[[R], tuple[str, ...]]
    state: State[R]
    value: Callable[[R], Any]
    wrong: Callable[[R], str]
    words: Mapping[Verdict, str] = field(default_factory=lambda: {one: one.value for one in Verdict})
    listed: bool = False


def on_many(boards: Sequence[Board], job: Job[R], telling: Telling[R], waves: Waves, json: bool) -> int:
    """Do ``job`` on all boards and show how it went; the exit code."""
    with lines(boards, telling.state) as on_change:
        done = in_waves(boards, waves, job, telling.wrong, on_change)
    if json:
        show_json(collected(done, telling))
    else:
        _show(done, telling)
    return worst(_code(outcome, telling) for outcome in done.outcomes.values())


def _show(done: Rollout[R], telling: Telling[R]) -> None:
    """The table, how many there are of each kind, and for each failure what to do."""
    show(_table(done, telling))
    kinds = Counter(_word(outcome, telling) for outcome in done.outcomes.values())
    kinds.update({UNTOUCHED: len(done.untouched)} if done.untouched else {})
    total = len(done.outcomes) + len(done.untouched)
    counted = [f"{count} {PLURAL.get(kind, kind) if count > 1 else kind}" for kind, count in kinds.items()]
    show(f"\n{total} board{'s' if total > 1 else ''}: {', '.join(counted)}")
    for name, outcome in done.outcomes.items():
        if outcome.error is not None:
            _show_failure(name, outcome.error)
    if done.untouched:
        show(f"{UNTOUCHED}: held back by {done.why}")


def collected(done: Rollout[R], telling: Telling[R]) -> Any:
    """All results as JSON; in place of a result an "error", or why the board was left "untouched"."""
    values = {
        name: {"error": error_value(outcome.error)} if outcome.error else telling.value(outcome.result)  # type: ignore[arg-type]
        for name, outcome in done.outcomes.items()
    }
    values.update({board.name: {"untouched": done.why} for board in done.untouched})
    if not telling.listed:
        return values
    return [{"board": {"name": name}, **value} if "board" not in value else value for name, value in values.items()]


def error_value(error: BrambleError) -> dict[str, Any]:
    """An error as JSON."""
    return {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}


def _code(outcome: Outcome[R], telling: Telling[R]) -> int:
    if outcome.error is not None:
        return outcome.error.exit_code
    return telling.state(outcome.result)[0].exit_code  # type: ignore[arg-type]


def _word(outcome: Outcome[R], telling: Telling[R]) -> str:
    """What kind of outcome it is."""
    if outcome.error is not None:
        return _kind(outcome.error)
    return telling.words[telling.state(outcome.result)[0]]  # type: ignore[arg-type]


def _table(done: Rollout[R], telling: Telling[R]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("board", no_wrap=True)
    for title in telling.titles:
        table.add_column(title, justify="left" if title in ("release", telling.titles[-1]) else "right")
    blank = [DASH] * (len(telling.titles) - 1)
    for name, outcome in done.outcomes.items():
        if outcome.error is not None:
            table.add_row(name, *blank, Text(f"✗ {_kind(outcome.error)}", "red"))
            continue
        verdict, _ = telling.state(outcome.result)  # type: ignore[arg-type]
        *cells, last = telling.cells(outcome.result)  # type: ignore[arg-type]
        mark, style = LOOK[verdict]
        table.add_row(name, *cells, Text(f"{mark} {last}", style))
    for board in done.untouched:
        table.add_row(board.name, *blank, Text(f"· {UNTOUCHED}", "dim"))
    return table


def _kind(error: BrambleError) -> str:
    return {BoardBusyError: "busy", StorageError: "no storage"}.get(type(error)) or KINDS.get(error.exit_code, "failed")


def _show_failure(name: str, error: BrambleError) -> None:
    """What happened on a board, and what to do."""
    message = error.message if error.message.startswith(f"{name}: ") else f"{name}: {error.message}"
    show(message + (f"\n  → {error.hint}" if error.hint else ""))
