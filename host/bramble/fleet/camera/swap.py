"""Have a loop that runs take its board's current release, and take that back where the loop does.

The loop compares both releases on live frames, switches between two of them, and goes back by itself where the new one
breaches. Then the link ``current`` must go back as well: else the next start would take the very same release.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bramble.errors import CameraError
from bramble.events import OnEvent, Step
from bramble.fleet.ask import ask
from bramble.fleet.camera.place import Place, look
from bramble.fleet.release.push import rollback
from bramble.fleet.types import Board, Connection
from bramble_agent.wire_camera import CameraStatus, ControlAnswer, ControlAsk, SwapStatus

PAUSE_S = 1.0
SPARE_S = 60.0
GOING_ON = ("loading", "comparing", "probation")
STEPS = {"loading": "loading it", "comparing": "comparing both", "probation": "watching the new one"}


@dataclass(frozen=True)
class Swapped:
    """How it went. ``link`` is what became of the link ``current``: "stays", "back" (rolled back), or why neither."""

    swap: SwapStatus
    current: str
    link: str

    @property
    def ok(self) -> bool:
        """Whether the loop looks with the board's current release now."""
        return self.swap.state == "done"


def control(connection: Connection, board: Board, request: ControlAsk) -> CameraStatus:
    """Ask a loop that runs. Raises CameraError where none of that name does."""
    return ask(connection, board, request, ControlAnswer, 60.0).status


def swap(connection: Connection, board: Board, place: Place, request: ControlAsk, on_event: OnEvent) -> Swapped | None:
    """Swap and wait for its end; None where the loop looks with the current release already.

    Raises CameraError where no such loop runs, or the swap does not come to its end.
    """
    now = control(connection, board, ControlAsk(request.root, request.name))
    if now.release == place.current and now.swap.state not in GOING_ON:
        return None
    now = control(connection, board, request)
    until = time.monotonic() + 2 * request.swap.patience_s + SPARE_S
    while now.swap.state in GOING_ON:
        on_event(Step(STEPS[now.swap.state]))
        if time.monotonic() > until:
            raise CameraError(f"{board.name}: the swap does not end ({now.swap.state})", "do frames come?")
        time.sleep(PAUSE_S)
        now = control(connection, board, ControlAsk(request.root, request.name))
    if now.swap.state == "done":
        return Swapped(now.swap, place.current, "stays")
    return _back(connection, board, now, on_event)


def _back(connection: Connection, board: Board, now: CameraStatus, on_event: OnEvent) -> Swapped:
    """Make the release that the loop stayed with current again, if it is the one before."""
    place = look(connection, board)
    tried = now.swap.release or place.current
    if place.current == now.release:
        return Swapped(now.swap, place.current, "stays")
    if place.current != tried or place.previous != now.release:
        return Swapped(now.swap, place.current, "another release was pushed meanwhile")
    on_event(Step("checking"))
    return Swapped(now.swap, rollback(connection, board).current, "back")
