"""From what a person types to what the loop is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bramble.errors import UsageError
from bramble.fleet.camera.place import Place
from bramble_agent.wire_camera import CameraAsk


def thresholds(words: Sequence[str]) -> tuple[float | None, dict[str, float]]:
    """The threshold of all labels ("0.6"; None where none is given), and those of some ("cat=0.6").

    Raises UsageError; that a label exists is the board's to say, whose release has the labels.
    """
    of_all: float | None = None
    of_some: dict[str, float] = {}
    for word in words:
        label, equals, text = word.rpartition("=")
        value = _score(word, text)
        if equals and label:
            of_some[label] = value
        else:
            of_all = value
    return of_all, of_some


def _score(word: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"--threshold {word!r}: {text!r} is no score", "from 0 to 1: --threshold 0.6, or cat=0.6")
    return value


def on_board(request: CameraAsk, place: Place) -> CameraAsk:
    """The request with the places of a board: its current release, its folder."""
    return replace(request, bundle=f"{place.root}/current", root=place.root)
