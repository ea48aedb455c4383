"""An event for actions, and files that hold secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bramble_agent.camera.actions.chosen import Chosen
from bramble_agent.camera.actions.open import action
from bramble_agent.camera.budget import Budget
from bramble_agent.camera.event import Action, Box, Event

PLENTY = Budget(1 << 40)


def event(number: int = 1, **changed: Any) -> Event:
    """Number 7 of a run, say."""
    usual: dict[str, Any] = {
        "id": f"f00d-{number}",
        "at": 1_700_000_000.5,
        "what": "seen",
        "label": "person",
        "score": 0.875,
        "frame": 10 * number,
        "age_ms": 12.5,
        "release": "abc",
        "box": Box(0.25, 0.25, 0.75, 0.5),
    }
    return Event(**{**usual, **changed})


def secret(folder: Path, text: str = "s3cr3t-word", mode: int = 0o600) -> Path:
    """A file that holds a secret."""
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def made(text: str, budget: Budget = PLENTY) -> Any:
    """The action that a string names, without what chooses its events."""
    found: Action = action(text, budget)
    return found.action if isinstance(found, Chosen) else found
