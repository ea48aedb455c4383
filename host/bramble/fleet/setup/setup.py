"""A blank board becomes ready: a runtime in a private environment, proved before it is used. The board needs no net.

    look      is there one already that came of the same question, and does it still work? Then nothing is done
    choose    on the host: Python, runtime and wheels that truly fit this board (``choose``)
    send      the wheels that are not in the board's store yet, as pushes send models
    install   on the board, in one process under one lock: environment, wheels, proof, rename, switch (the agent)
    remember  the environment's Python in the inventory

What was in use stays in use until the switch; a setup that is killed at any step is mended by the next one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from posixpath import join

from bramble.errors import IncompatibleError, StorageError, UsageError
from bramble.events import Note, OnEvent, Sent
from bramble.fleet.ask import ask
from bramble.fleet.inventory import save_board
from bramble.fleet.probe.survey import Interpreter, Survey
from bramble.fleet.release.coding import Source
from bramble.fleet.release.send import Absent, send
from bramble.fleet.setup.choose import NO_PYTHON, Choice, Wish, choose
from bramble.fleet.setup.proof_model import proof
from bramble.fleet.setup.runtimes import RELEASES
from bramble.fleet.setup.wheels import Wheel
from bramble.fleet.types import Board, Connection
from bramble.report.units import si
from bramble_agent.wire_install import InstallAnswer, InstallAsk, WheelFact

INSTALL_S = 1800.0
LOOK_S = 330.0
ATTEMPTS = 3  # of sending what is missing: a card may damage a wheel, another setup may clean up
SPARE = 1.1


@dataclass(frozen=True)
class Ready:
    """A board that is set up: the Python to use there, what answers in it, and what it took."""

    board: str
    python: str
    runtime: str
    numpy: str
    sent_bytes: int
    changed: bool


def set_up(connection: Connection, board: Board, survey: Survey, wish: Wish, on_event: OnEvent) -> Ready:
    """Make a board ready, and remember its Python in the inventory.

    Raises IncompatibleError where nothing can run there (before anything is sent), UsageError for this machine,
    StorageError, UnreachableError.
    """
    refuse_local(board)
    candidates = _candidates(connection, board, survey)
    request = InstallAsk(connection.root, _question(survey, candidates, wish), proof())
    answer, sent = _looked(connection, board, request, on_event), 0
    if answer is None:
        answer, sent = _install(connection, board, survey, (candidates, wish, request), on_event)
    remembered = replace(board, python=answer.python)
    if remembered != board:
        save_board(remembered)
    return Ready(board.name, answer.python, answer.runtime, answer.numpy, sent, answer.changed)


def refuse_local(board: Board) -> None:
    """Raise UsageError for the board ``local``: it is ready as it is."""
    if not board.host:
        raise UsageError(
            "this machine needs no setup: the board 'local' uses the Python that Bramble runs in",
            "name a board that is reached over SSH: bramble board add NAME user@host",
        )


def pythons_of(connection: Connection, board: Board) -> tuple[str, ...]:
    """The Pythons that a survey for a setup must look at: the one our environment is made of, the inventory's."""
    base = _marker(connection).get("base", "")
    return (base, board.python) if _is_ours(connection, board.python) and base else (board.python,)


def _looked(connection: Connection, board: Board, request: InstallAsk, on_event: OnEvent) -> InstallAnswer | None:
    """What is in use, if it came of the same question and works; None else, and nothing was sent to a blank board."""
    told = _marker(connection)
    if told.get("question") != request.question:
        return None
    on_event(Note(f"{board.name}: proving what is there"))
    answer = ask(connection, replace(board, python=told.get("base", "")), request, InstallAnswer, LOOK_S)
    return answer if answer.ready else None


def _install(
    connection: Connection,
    board: Board,
    survey: Survey,
    what: tuple[tuple[Interpreter, ...], Wish, InstallAsk],
    on_event: OnEvent,
) -> tuple[InstallAnswer, int]:
    """Choose, send what is missing, install. Gives the board's answer and the bytes sent."""
    candidates, wish, request = what
    on_event(Note(f"{board.name}: choosing a runtime"))
    choice = choose(survey, candidates, wish, on_event)
    on_event(Note(f"{board.name}: {_told(choice)}"))
    _check_space(board, survey, choice)
    ours = replace(board, python=choice.interpreter.path)
    full = replace(
        request,
        runtime=choice.stack.words,
        wheels=tuple(_fact(one) for one in choice.wheels),
        pip=_fact(choice.pip),
    )
    sent = 0
    for attempt in range(ATTEMPTS):
        doing = "installing and proving it" if attempt else "looking for wheels that are there"
        on_event(Note(f"{board.name}: {doing}"))
        answer = ask(connection, ours, full, InstallAnswer, INSTALL_S)
        if answer.ready:
            return answer, sent
        sent += _send(connection, ours, choice, Absent(answer.missing, answer.parts), on_event)
    raise StorageError(
        f"{board.name}: wheels that were sent do not stay whole on the board", "its card may be failing: try another"
    )


def _send(connection: Connection, board: Board, choice: Choice, absent: Absent, on_event: OnEvent) -> int:
    """Send the wheels that are absent; the bytes sent."""
    wheels = [one for one in (*choice.wheels, choice.pip) if one.sha256 in absent.missing]
    words = ", ".join(f"{one.name} {one.version}" for one in wheels)
    on_event(Note(f"{board.name}: sending {words} ({si(sum(one.size_bytes for one in wheels), 'B')})"))
    files = [Source(one.path, one.sha256, one.size_bytes) for one in wheels]
    return send(connection, board, files, absent, on_sent=lambda done, of: on_event(Sent(done, of)))


def _fact(wheel: Wheel) -> WheelFact:
    return WheelFact(wheel.file, wheel.sha256, wheel.size_bytes)


def _candidates(connection: Connection, board: Board, survey: Survey) -> tuple[Interpreter, ...]:
    """The board's Pythons in the order of the survey, our own environments left out.

    The survey looks first at what was asked for (``pythons_of``). Raises IncompatibleError where there is none.
    """
    found = tuple(one for one in survey.pythons if not _is_ours(connection, one.path))
    if not found:
        raise IncompatibleError(f"{board.name}: there is no Python on the board", NO_PYTHON)
    return found


def _is_ours(connection: Connection, python: str) -> bool:
    """Whether a path is our environment's Python; the board's folder may be known from the session's folder on."""
    return f"/{python}".endswith(f"/{join(connection.root, 'venv/bin/python')}")


def _marker(connection: Connection) -> dict[str, str]:
    """What the environment in use says of itself; empty where there is none."""
    done = connection.run(["cat", join(connection.root, "venv/bramble.json")], b"", 30.0)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in told.items()} if isinstance(told, dict) else {}


def _question(survey: Survey, candidates: tuple[Interpreter, ...], wish: Wish) -> str:
    """A digest of all that the choice depends on: the same question has the same answer, so nothing is fetched anew."""
    told = {
        "board": [survey.machine, survey.userland, survey.libc, survey.libstdcxx],
        "pythons": [[one.path, one.version, one.tag, one.bits, one.numpy, one.pillow] for one in candidates],
        "runtime": wish.runtime,
        "wheels": sorted(path.name for path in wish.wheels.glob("*.whl")) if wish.wheels else [],
        "releases": [asdict(one) for one in RELEASES],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _told(choice: Choice) -> str:
    own = choice.interpreter.numpy
    chosen = {one.name: f"{one.name} {one.version}" for one in choice.wheels}
    parts = [chosen.get("numpy", f"the board's numpy {own}"), *([chosen["pillow"]] if "pillow" in chosen else [])]
    return f"{choice.stack.words} with {' and '.join(parts)} for {choice.target.words}"


def _check_space(board: Board, survey: Survey, choice: Choice) -> None:
    """Raise StorageError before anything is sent where it cannot fit."""
    wheels: list[Wheel] = [*choice.wheels, choice.pip]
    needed = int(SPARE * (sum(one.size_bytes for one in wheels) + sum(one.unpacked_bytes for one in choice.wheels)))
    free = survey.disk_free_bytes
    if free is not None and free < needed:
        raise StorageError(
            f"{board.name}: needs {si(needed, 'B')} of space, {si(free, 'B')} are free", "free some space on the board"
        )
