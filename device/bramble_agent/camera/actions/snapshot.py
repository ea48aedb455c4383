"""The picture of each event as a JPEG in a folder, with what was seen drawn in; the oldest go when there are too many.

Files are named number-label-id.jpg: the number goes on counting whatever the clock does. Only files so named are ever
deleted. Each is written beside its place, made to reach the card and renamed: whole, or not there.
"""

from __future__ import annotations

import io
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, List

from ...errors import ActionFailed, ActionRefused, BadRequest
from ...files import write_whole
from ..budget import Budget, synced
from ..draw import drawn
from ..event import Event
from .settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN = ("keep", "keep_bytes", "quality", "plain")
OURS = re.compile(r"([0-9]{8,})-[A-Za-z0-9_]{1,40}-[A-Za-z0-9_-]{1,80}\.jpg", re.ASCII)


class Snapshot:
    """An action."""

    pictures = True
    kept = False

    def __init__(self, folder: str, settings: Settings, budget: Budget) -> None:
        """``keep`` pictures (200) of ``keep_bytes`` (64 MiB) in all, JPEG ``quality`` (85), ``plain``: not drawn on."""
        self._folder = Path(folder).expanduser()
        self._keep = settings.whole("keep", 200)
        self._keep_bytes = settings.whole("keep_bytes", 64 << 20)
        self._quality = settings.whole("quality", 85, 1, 95)
        self._plain = settings.flag("plain")
        self._budget = budget
        self._number = 0

    def open(self) -> None:
        """Make the folder. Raises BadRequest where that cannot be, or Pillow is missing."""
        try:
            import PIL  # noqa: F401
        except ImportError as error:
            hint = "install it on the board: pip install pillow (or apt install python3-pil)"
            raise BadRequest("pictures are written by Pillow, which cannot be imported", hint) from error
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            names = self._names()
            for half in self._folder.glob(".*.jpg"):
                if OURS.fullmatch(half.name[1:]):
                    half.unlink()
        except OSError as error:
            raise BadRequest(f"{self._folder}: {error.strerror}", "give a folder that may be written to") from error
        self._number = 1 + max((_number(name) for name in names), default=0)

    def act(self, event: Event, picture: NDArray[Any] | None) -> None:
        """Write it. Raises ActionRefused without a picture or a budget, ActionFailed where the disk refuses."""
        if picture is None:
            raise ActionRefused(f"there is no picture of frame {event.frame}")
        data = self._jpeg(event, picture)
        if not self._budget.spend(synced(len(data))):
            raise ActionRefused("the day's write budget is used up", "write fewer pictures, or raise it")
        own = f"-{_word(event.label, 40)}-{_word(event.id, 80)}.jpg"
        try:
            again = [name for name in self._names() if name.endswith(own)]
            self._clear(len(data))
            write_whole(self._folder / (again[0] if again else f"{self._number:08d}{own}"), data)
        except OSError as error:
            raise ActionFailed(f"{self._folder}: {error.strerror}", "free some space") from error
        self._number += 1

    def _jpeg(self, event: Event, picture: NDArray[Any]) -> bytes:
        marks = [] if self._plain else [(f"{event.label} {event.score:.0%} {event.what}", event.box)]
        held = io.BytesIO()
        drawn(picture, marks).save(held, "JPEG", quality=self._quality)
        return held.getvalue()

    def _names(self) -> List[str]:
        """Our pictures, oldest first."""
        return sorted((name for name in os.listdir(self._folder) if OURS.fullmatch(name)), key=_number)

    def _clear(self, size: int) -> None:
        """Delete the oldest until one more of ``size`` bytes has room."""
        names = self._names()
        sizes = []
        for name in names:
            with suppress(FileNotFoundError):
                sizes.append((name, (self._folder / name).stat().st_size))
        held = sum(one for _, one in sizes)
        for left, (name, one) in zip(range(len(sizes), 0, -1), sizes):
            if left < self._keep and held + size <= self._keep_bytes:
                return
            (self._folder / name).unlink(missing_ok=True)
            held -= one

    def close(self) -> None:
        """Nothing is held."""


def _number(name: str) -> int:
    return int(name.partition("-")[0])


def _word(text: str, most: int) -> str:
    """``text`` as part of a file's name, whatever is in it."""
    return re.sub(r"[^A-Za-z0-9_-]" if most > 40 else r"[^A-Za-z0-9_]", "_", text, flags=re.ASCII)[:most] or "_"
