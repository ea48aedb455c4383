"""Choose what to install on a board: the first Python there, and the first stack for it, whose wheels truly fit.

Every Python of the board is tried in turn, the one that a person named or the system's own first; for each the runtimes
from the best on. A wheel is fetched, the needs of all its libraries are compared with the board, and the next older
runtime is tried where they do not fit. All reasons are kept: they are the refusal where nothing fits. Pillow, which the
agent needs for pictures only, comes along where there is a wheel of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bramble.errors import BrambleError, IncompatibleError
from bramble.events import Note, OnEvent
from bramble.fleet.probe.survey import Interpreter, Survey
from bramble.fleet.setup.runtimes import NAMES
from bramble.fleet.setup.stacks import Stack, stacks_for
from bramble.fleet.setup.target import Target, has_pillow, target_of
from bramble.fleet.setup.wheels import Wheel, fetch, offered, unfit

UPDATE = "update the board's system: Debian 11 or Raspberry Pi OS of 2021 is the oldest that is known to work"
NO_PYTHON = "on the board: sudo apt install python3"


@dataclass(frozen=True)
class Wish:
    """What a person asked for: one runtime only ("" for any), and a folder of wheels instead of the index."""

    runtime: str = ""
    wheels: Path | None = None


@dataclass(frozen=True)
class Choice:
    """What to install: into which Python, which runtime, from which wheels, by which pip (not among the wheels)."""

    interpreter: Interpreter
    target: Target
    stack: Stack
    wheels: tuple[Wheel, ...]
    pip: Wheel


def choose(survey: Survey, candidates: tuple[Interpreter, ...], wish: Wish, on_event: OnEvent) -> Choice:
    """The choice for that board among its Pythons ``candidates``, the preferred one first.

    Raises IncompatibleError with every reason where nothing fits, and what ``fetch`` raises.
    """
    refusals: list[IncompatibleError] = []
    for interpreter in candidates:
        try:
            return _for_python(survey, interpreter, wish, on_event)
        except IncompatibleError as error:
            refusals.append(error)
    if not refusals:
        raise IncompatibleError("there is no Python on the board", NO_PYTHON)
    reasons = list(dict.fromkeys(error.message for error in refusals))
    raise IncompatibleError("; ".join(reasons), refusals[0].hint)


def _for_python(survey: Survey, interpreter: Interpreter, wish: Wish, on_event: OnEvent) -> Choice:
    target = target_of(survey, interpreter)
    held = None if wish.wheels is None else [one for one in offered(wish.wheels) if one[0] in NAMES]
    reasons = []
    for stack in stacks_for(target, interpreter, wish.runtime, held):
        found = _wheels(stack, target, wish.wheels)
        if isinstance(found, str):
            reasons.append(found)
            on_event(Note(f"{stack.words} does not fit: {found}"))
            continue
        wheels = (*found, *_pillow(interpreter, target, wish.wheels, on_event))
        return Choice(interpreter, target, stack, wheels, fetch("pip", target, wish.wheels))
    raise IncompatibleError(
        f"no TFLite runtime fits {target.words}: {'; '.join(dict.fromkeys(reasons))}",
        UPDATE if wish.wheels is None else f"put wheels that fit into {wish.wheels}, or update the board's system",
    )


def _pillow(interpreter: Interpreter, target: Target, folder: Path | None, on_event: OnEvent) -> tuple[Wheel, ...]:
    """Pillow's wheel; none where that Python has it, or where there is no way to it, which is told and no failure."""
    if not interpreter.environment and has_pillow(interpreter):
        return ()
    try:
        found = _fitting("pillow", target, folder)
    except BrambleError as error:
        found = error.message
    if isinstance(found, Wheel):
        return (found,)
    on_event(Note(f"models run, but pictures are not decoded there: {found} (Debian has it: apt install python3-pil)"))
    return ()


def _wheels(stack: Stack, target: Target, folder: Path | None) -> tuple[Wheel, ...] | str:
    """The stack's wheels, or why they do not fit."""
    wheels = []
    for alternatives in filter(None, ((stack.requirement,), stack.numpy)):
        found = _first(alternatives, target, folder)
        if isinstance(found, str):
            return found
        wheels.append(found)
    return tuple(wheels)


def _first(alternatives: tuple[str, ...], target: Target, folder: Path | None) -> Wheel | str:
    """The first of several requirements that has a fitting wheel, or why none has."""
    reasons = []
    for requirement in alternatives:
        found = _fitting(requirement, target, folder)
        if isinstance(found, Wheel):
            return found
        reasons.append(found)
    return "; ".join(reasons)


def _fitting(requirement: str, target: Target, folder: Path | None) -> Wheel | str:
    """A wheel whose libraries can be loaded there, or why there is none."""
    try:
        wheel = fetch(requirement, target, folder)
    except IncompatibleError as error:
        return error.message
    why = unfit(wheel, target)
    return f"{wheel.path.name}: {why}" if why else wheel
