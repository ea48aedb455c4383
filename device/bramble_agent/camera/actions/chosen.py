"""Any action, for some labels only, or only for what comes into sight or goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from ...errors import BadRequest
from ..event import Action, Event
from .settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN = ("label", "what")


class Chosen:
    """An action that passes on some events to another and is done with the others at once."""

    def __init__(self, action: Action, labels: Sequence[str], what: str) -> None:
        """No ``labels``: all of them; ``what`` is "seen", "gone" or "" for both."""
        self.pictures, self.kept = action.pictures, action.kept
        self.action = action
        self.labels, self._what = frozenset(labels), what

    def open(self) -> None:
        """Open it."""
        self.action.open()

    def act(self, event: Event, picture: NDArray[Any] | None) -> None:
        """Pass the event on, or not."""
        if (not self.labels or event.label in self.labels) and self._what in ("", event.what):
            self.action.act(event, picture)

    def close(self) -> None:
        """Close it."""
        self.action.close()


def chosen(action: Action, settings: Settings) -> Action:
    """The action itself where nothing is chosen. ``label`` may be there more than once. Raises BadRequest."""
    what = settings.text("what")
    if what not in ("", "seen", "gone"):
        raise BadRequest(f"the action {settings.kind}: what={what[:80]}: there is no such event", "seen or gone")
    labels = settings.all("label")
    return Chosen(action, labels, what) if labels or what else action
