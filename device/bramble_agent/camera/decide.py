"""From scores to events: a label is "seen" from one frame on and "gone" from another.

Per label, s the smoothed score, x the frame's, t the label's threshold (exponential smoothing, and a Schmitt trigger):

    s ← smooth·s + (1 − smooth)·x            (the first frame: s ← x)
    not seen:  s ≥ t            for ``hold`` frames running  →  "seen"
    seen:      s < release·t    for ``hold`` frames running  →  "gone"

All labels at once, in arrays. For detections x is the best score of a label's boxes in the frame, 0 where it has none.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import BadRequest
from ..wire_camera import Decide, Tuning
from .event import Box, Event

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_HOLD = 100_000
MOST_TOP = 1_000


class Moment(NamedTuple):
    """What an event tells of its frame."""

    frame: int
    age_ms: float
    release: str
    picture: str = ""


class _Rules(NamedTuple):
    """The thresholds as arrays over the labels, replaced as a whole, so that a frame never sees half a change."""

    how: Decide
    begin: NDArray[np.float64]
    end: NDArray[np.float64]


class Decider:
    """Keeps what is seen now. ``decide`` is called by one thread; ``tune`` by any."""

    def __init__(self, labels: Sequence[str], how: Decide, run: str, clock: Callable[[], float] = time.time) -> None:
        """``run`` is part of the events' ids. Raises BadRequest for rules that make no sense, or an unknown label."""
        self._run, self._clock = run, clock
        self._number = 0
        self._changing = threading.Lock()  # of rules and labels: by who tunes, and by the loop
        self._labels = tuple(labels)
        self._rules = _rules(how, self._labels)
        self._first = True
        self._clear()

    @property
    def how(self) -> Decide:
        """The rules now."""
        return self._rules.how

    @property
    def events(self) -> int:
        """How many there were."""
        return self._number

    def tune(self, tuning: Tuning) -> None:
        """Change the rules from the next frame on; what is seen stays so until the new rules end it."""
        given = {name: value for name, value in vars(tuning).items() if value is not None}
        with self._changing:
            self._rules = _rules(dataclasses.replace(self.how, **given), self._labels)

    def check(self, labels: Sequence[str]) -> None:
        """Raise BadRequest where the rules name a label that is not one of these."""
        _rules(self.how, labels)

    def relabel(self, labels: Sequence[str], moment: Moment) -> list[Event]:
        """Go on with another release's labels; the events are those of labels that were seen and are not among them.

        A label of the same name keeps its state. The thresholds of labels that are gone go with them.
        """
        old, seen, smoothed, lasted = _named(self._labels), self._seen, self._smoothed, self._lasted
        new = _named(labels)
        events = [
            self._event("gone", place, smoothed[place], moment, None)
            for name, place in old.items()
            if name not in new and seen[place]
        ]
        with self._changing:
            known = {name: value for name, value in self.how.thresholds.items() if name in labels}
            self._rules = _rules(dataclasses.replace(self.how, thresholds=known), labels)
            self._labels = tuple(labels)
        self._clear()
        for name, place in new.items():
            if name in old:
                there = old[name]
                self._seen[place], self._lasted[place] = seen[there], lasted[there]
                self._smoothed[place] = smoothed[there]
        return events

    def decide(self, scores: NDArray[Any], boxes: Mapping[int, Box], moment: Moment) -> list[Event]:
        """The events of a frame. ``scores`` is [labels]; ``boxes`` the best box of a label by its number."""
        rules = self._rules
        if self._first:
            self._smoothed[:] = scores
            self._first = False
        elif rules.how.smooth:
            self._smoothed *= rules.how.smooth
            self._smoothed += (1.0 - rules.how.smooth) * scores
        else:
            self._smoothed[:] = scores
        crossing = np.where(self._seen, self._smoothed < rules.end, self._smoothed >= rules.begin)
        self._lasted += 1
        self._lasted *= crossing
        flips = self._lasted >= rules.how.hold
        if not flips.any():
            return []
        events = []
        for place in np.flatnonzero(flips):
            self._seen[place] = not self._seen[place]
            self._lasted[place] = 0
            what = "seen" if self._seen[place] else "gone"
            events.append(self._event(what, int(place), self._smoothed[place], moment, boxes.get(int(place))))
        return events

    def _event(self, what: str, place: int, score: float, moment: Moment, box: Box | None) -> Event:
        self._number += 1
        return Event(
            id=f"{self._run}-{self._number}",
            at=self._clock(),
            what=what,
            label=self._labels[place],
            score=float(score),
            frame=moment.frame,
            age_ms=moment.age_ms,
            release=moment.release,
            box=box,
            picture=moment.picture,
        )

    def _clear(self) -> None:
        count = len(self._labels)
        self._smoothed = np.zeros(count)
        self._seen = np.zeros(count, dtype=bool)
        self._lasted = np.zeros(count, dtype=np.int64)


def _named(labels: Sequence[str]) -> dict[tuple[str, int], int]:
    """Places by label; labels that occur twice (ImageNet has some) by their how-manieth too."""
    seen: Counter[str] = Counter()
    places = {}
    for place, label in enumerate(labels):
        places[label, seen[label]] = place
        seen[label] += 1
    return places


def _rules(how: Decide, labels: Sequence[str]) -> _Rules:
    for name, value in (("threshold", how.threshold), *how.thresholds.items(), ("release", how.release)):
        if not 0.0 <= value <= 1.0:
            raise BadRequest(f"{name}: {value:g} is no score", "thresholds and release are from 0 to 1")
    if not (0.0 <= how.smooth < 1.0 and math.isfinite(how.smooth)):
        raise BadRequest(f"smooth: {how.smooth:g}", "from 0 (no smoothing) to below 1")
    if not 1 <= how.hold <= MOST_HOLD:
        raise BadRequest(f"hold: {how.hold} frames", f"from 1 to {MOST_HOLD:,}")
    if not 1 <= how.top <= MOST_TOP:
        raise BadRequest(f"top: {how.top} labels", f"from 1 to {MOST_TOP:,}")
    check_labels("a threshold", how.thresholds, labels)
    begin = np.array([how.thresholds.get(label, how.threshold) for label in labels], dtype=np.float64)
    return _Rules(how, begin, begin * how.release)


def check_labels(what: str, asked: Iterable[str], labels: Sequence[str]) -> None:
    """Raise BadRequest where ``what`` is asked for a label that is not one of ``labels``."""
    unknown = sorted(set(asked) - set(labels))
    if unknown:
        raise BadRequest(f"{what} for {unknown[0][:80]!r}, which is no label of the release", _hint(unknown[0], labels))


def _hint(unknown: str, labels: Sequence[str]) -> str:
    close = difflib.get_close_matches(unknown, labels, 1, 0.5)
    known = ", ".join(labels[:8]) + (", …" if len(labels) > 8 else "")
    return (f"do you mean {close[0]!r}? " if close else "") + f"its labels: {known}"
