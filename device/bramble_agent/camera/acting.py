"""The actions of a loop with their queues and their common write budget.

An action whose events are to be kept has a spool in ``<root>/camera/<name>.spool``, in a folder named by its string:
after a restart the same string finds what waited for it. Without a root nothing outlives the process.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import FrozenSet, Sequence, Tuple

from ..files import storing
from ..wire_camera import CameraAsk
from .actions.chosen import Chosen
from .actions.open import action
from .ages import Ages
from .budget import Budget
from .deliver import Acting, Delivery
from .event import Action
from .line import Line, Queue
from .scratch import scratch
from .segments import Segments
from .spool import Sizes, Spool

BUDGET = "budget.json"


def acting(ask: CameraAsk, ages: Ages) -> Acting:
    """All of them, nothing open yet. Raises BadRequest for a string that makes no sense, StorageFailed."""
    if not ask.actions:
        return Acting(())
    if not ask.root:
        budget = Budget(ask.write_bytes_per_day)
        plain = [(one, action(one, budget)) for one in ask.actions]
        return Acting([Delivery(text, one, ages) for text, one in plain], lambda: budget.used, _labels(plain))
    disk = Path(ask.root).expanduser() / "camera" / f"{ask.name}.spool"
    with storing(disk):
        memory = scratch(disk)
    budget = Budget(ask.write_bytes_per_day, memory / BUDGET)
    sizes = Sizes(ask.spool_bytes, min(Sizes().memory, ask.spool_bytes))

    def queue(text: str, one: Action) -> Queue:
        if not one.kept:
            return Line()
        own = hashlib.sha256(text.encode()).hexdigest()[:16]
        return Spool(Segments(memory / own, disk / own), budget, sizes)

    made = [(text, action(text, budget)) for text in ask.actions]
    deliveries = [Delivery(text, one, ages, queue(text, one)) for text, one in made]
    return Acting(deliveries, lambda: budget.used, _labels(made))


def _labels(made: Sequence[Tuple[str, Action]]) -> FrozenSet[str]:
    return frozenset().union(*(one.labels for _, one in made if isinstance(one, Chosen)))
