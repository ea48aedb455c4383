"""Two pushes at once, of one bundle or of two."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

from rig import Outcome, Rig

from bramble.fleet.types import Board


def two_pushes(rig: Rig, times: int) -> Iterator[Outcome]:
    """Both begin within half a second; both must say that all is well, or that the other one is at work."""
    chance = random.Random(5)
    for number in range(times):
        names = ("c", "c") if number % 2 else ("c", "a")
        with rig.fresh() as root:
            board = rig.board(root)
            said: list[str] = []
            pushes = [threading.Thread(target=_note, args=(rig, board, f"push {name}", said)) for name in names]
            for push in pushes:
                push.start()
                time.sleep(chance.uniform(0, 0.25))
            for push in pushes:
                push.join()
            yield rig.judge("two pushes at once", "push c", root, " ".join(said))


def _note(rig: Rig, board: Board, operation: str, said: list[str]) -> None:
    said.append(rig.operate(board, operation))
