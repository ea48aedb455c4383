"""``bramble push``: a bundle on boards, current where it gives the golden answers."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import typer

from bramble.cli import options
from bramble.cli.known import asked_for
from bramble.cli.one import Show, at_work
from bramble.cli.screen import show, show_json

if TYPE_CHECKING:
    from bramble.cli.many import Telling
    from bramble.events import OnEvent
    from bramble.fleet.release.push import Pushed
    from bramble.fleet.types import Board

DIFFERS = "it does not give the golden answers"


def push(
    bundle: options.BundlePath,
    boards: options.Boards = None,
    canary: options.Canary = 0,
    wave: options.Wave = 0,
    at_once: options.AtOnce = 16,
    keep: options.Keep = 3,
    sign: options.Sign = None,
    health: options.Health = "",
    health_window: options.HealthWindow = 10.0,
    json: options.Json = False,
) -> None:
    """Put a bundle on boards and make it current.

    Only where it gives the golden answers; exit code 3 where it does not, 7 where it failed after the switch and the
    release before is current again. Of several boards the worst counts: 0, 3, 7, 6 incompatible, 5 unreachable,
    1 anything else.
    """
    from bramble.bundle import find_bundle, load_bundle
    from bramble.deploy import put
    from bramble.fleet.release.push import How
    from bramble.fleet.release.signing import signed
    from bramble.fleet.rollout import Waves

    checked, asked = load_bundle(find_bundle(bundle)), asked_for(boards)

    how = How(keep=keep, signature=signed(checked, sign), health=tuple(shlex.split(health)), health_s=health_window)

    def job(board: Board, on_event: OnEvent) -> Pushed:
        return put(checked, board, how, on_event)

    if asked.many:
        from bramble.cli.many import on_many

        raise typer.Exit(on_many(asked.boards, job, _telling(), Waves(canary, wave, at_once), json))
    (board,) = asked.boards
    with at_work(board.name, Show(notes=False, quiet=json, switches=True)) as on_event:
        one = job(board, on_event)
    if json:
        show_json({board.name: _value(one)})
    else:
        state = "is current" if one.verify.ok else "does NOT give the golden answers, not made current"
        show(f"{board.name}: release {_digest(one)[:12]} {state} ({_sent(one)})")
    if not one.verify.ok:
        raise typer.Exit(3)


def _telling() -> Telling[Pushed]:
    from bramble.cli.many import Telling
    from bramble.report.units import si
    from bramble.report.verdict import Verdict

    return Telling(
        titles=("release", "sent", "state"),
        cells=lambda one: (
            _digest(one)[:12],
            si(one.sent_bytes, "B"),
            "current" if one.verify.ok else "differs, not current",
        ),
        state=lambda one: (Verdict.PASS, f"current ({_sent(one)})") if one.verify.ok else (Verdict.MISSED, DIFFERS),
        value=_value,
        words={Verdict.PASS: "current", Verdict.MISSED: "not current"},
        wrong=lambda one: "" if one.verify.ok else DIFFERS,
    )


def _value(one: Pushed) -> dict[str, Any]:
    return {"release": one.release, "sent_bytes": one.sent_bytes, "current": one.current == _digest(one)}


def _digest(one: Pushed) -> str:
    return one.release.rpartition("/")[2]


def _sent(one: Pushed) -> str:
    return f"{one.sent_bytes:,} bytes sent" if one.sent_bytes else "was there already"
