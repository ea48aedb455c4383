"""``bramble verify``: do boards give the golden answers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bramble.cli import options
from bramble.cli.known import asked_for
from bramble.cli.one import Show, at_work
from bramble.cli.screen import show, show_json

if TYPE_CHECKING:
    from bramble.cli.many import Telling
    from bramble.events import OnEvent
    from bramble.fleet.types import Board
    from bramble_agent.wire import VerifyAnswer

AGREES, DIFFERS = "agrees", "DIFFERS"


def verify(
    bundle: options.BundlePath,
    boards: options.Boards = None,
    threads: options.Threads = 1,
    at_once: options.AtOnce = 16,
    json: options.Json = False,
) -> None:
    """Check that boards give the golden answers.

    Exit code 3 where one does not. Of several boards the worst counts: 0, 3, 6 incompatible, 5 unreachable,
    1 anything else.
    """
    from bramble.bundle import find_bundle, load_bundle
    from bramble.deploy import put
    from bramble.fleet.release.push import How
    from bramble.fleet.rollout import Waves
    from bramble_agent.codec import encode

    checked, asked = load_bundle(find_bundle(bundle)), asked_for(boards)
    how = How(switch=False, threads=threads, again=True)

    def job(board: Board, on_event: OnEvent) -> VerifyAnswer:
        return put(checked, board, how, on_event).verify

    if asked.many:
        from bramble.cli.many import on_many

        raise typer.Exit(on_many(asked.boards, job, _telling(), Waves(at_once=at_once), json))
    (board,) = asked.boards
    with at_work(board.name, Show(notes=False, quiet=json)) as on_event:
        answer = job(board, on_event)
    if json:
        show_json({board.name: encode(answer)})
    else:
        allowed = f"off by {_off(answer)} at most ({answer.tolerance} allowed)"
        show(f"{board.name}: {_word(answer)}, {answer.checked} answers, {allowed}")
    if not answer.ok:
        raise typer.Exit(3)


def _telling() -> Telling[VerifyAnswer]:
    from bramble.cli.many import Telling
    from bramble.report.verdict import Verdict
    from bramble_agent.codec import encode

    return Telling(
        titles=("answers", "differing", "off by", "allowed", "runtime", "verdict"),
        cells=lambda one: (
            f"{one.checked}",
            f"{one.differing} of {one.values}",
            _off(one),
            one.tolerance,
            one.runtime,
            _word(one),
        ),
        state=lambda one: (Verdict.PASS if one.ok else Verdict.MISSED, f"{_word(one)}, off by {_off(one)} at most"),
        value=encode,
        words={Verdict.PASS: AGREES, Verdict.MISSED: DIFFERS},
        wrong=lambda one: "" if one.ok else "it does not give the golden answers",
    )


def _word(answer: VerifyAnswer) -> str:
    return AGREES if answer.ok else DIFFERS


def _off(answer: VerifyAnswer) -> str:
    return f"{answer.max_lsb} LSB" if answer.max_lsb is not None else f"{answer.max_abs:.3g}"
