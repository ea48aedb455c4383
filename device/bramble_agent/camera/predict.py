"""A release that looks at pictures: one interpreter for ever, its input written into one buffer.

    pixels ──table of 256──▶ input ──invoke──▶ outputs ──▶ scores of all labels, and the best sights

Classification: integers are made real by the output's scale, logits become probabilities by softmax (one logit: by the
logistic function). Detection: see ``detection``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import runtime
from ..bundle import Bundle
from ..errors import BadRequest, ModelRejected
from ..pixels import CHANNELS, table
from ..runtime import Engine
from ..wire import TensorSpec
from .detection import find_outputs
from .event import Box, Sight

if TYPE_CHECKING:
    from numpy.typing import NDArray

TASKS = ("classification", "detection")
HUGE = 1e30
MOST_CLASSES = 1_000_000


@dataclass(frozen=True)
class Seen:
    """What one picture showed: the score (0..1) of every label, the best sights, the best box of labels that have one.

    The scores are valid until the next picture.
    """

    scores: NDArray[Any]
    sights: tuple[Sight, ...]
    boxes: dict[int, Box] = field(default_factory=dict)


class Predictor:
    """A loaded release. Not for two threads at once."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load and run it once, so that the first frame takes no longer than the next.

        Raises BadRequest for a bundle of another task, or labels and tensors that do not go together; and what
        ``runtime.load`` raises.
        """
        self.release, self.name, self.labels = bundle.digest, bundle.manifest.name, bundle.labels
        self.pixels, self.task = bundle.manifest.pixels, bundle.manifest.task
        if self.task not in TASKS:
            raise BadRequest(f"this bundle is for {self.task!r}", f"the camera loop knows {' and '.join(TASKS)}")
        self._engine = runtime.load(bundle.model, threads)
        self._spec = _checked_input(self._engine, bundle)
        self._write = _writer(table(self.pixels, self._spec), self._spec)
        self._read = _reader(self._engine, bundle)
        self(np.zeros(self._spec.shape[1:], dtype=np.uint8), 1)

    def __call__(self, picture: NDArray[np.uint8], top: int) -> Seen:
        """What is in a picture (uint8 [height, width, channels], as the bundle wants them); ``top`` sights at most.

        Raises ModelRejected where the runtime fails on it.
        """
        try:
            self._engine.set_input(0, self._write(picture))
            self._engine.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelRejected(f"the runtime failed on a frame: {error}", "push a release that verifies") from error
        return self._read(top)


def _checked_input(engine: Engine, bundle: Bundle) -> TensorSpec:
    how = bundle.manifest.pixels
    wanted = (1, how.height, how.width, CHANNELS.get(how.color, 0))
    if len(engine.inputs) != 1 or engine.inputs[0].shape != wanted:
        shapes = ", ".join(str(list(spec.shape)) for spec in engine.inputs)
        raise BadRequest(
            f"the model takes {shapes}, the manifest's pictures are {list(wanted)}", "build the bundle again"
        )
    return engine.inputs[0]


def _writer(lookup: NDArray[Any], spec: TensorSpec) -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
    """A function that fills the one input buffer from a picture through ``pixels.table``, without new memory.

    Where the table only shifts by 128 (most int8 models) or not at all, exclusive or does the same 12 times faster.
    """
    held = np.empty(spec.shape, dtype=lookup.dtype)
    plain = np.arange(256, dtype=np.uint8)
    if lookup.itemsize == 1:
        for shift in (0, 128):
            if (lookup.view(np.uint8) == plain ^ np.uint8(shift)).all():
                return _shifter(held, np.uint8(shift))
    places = np.empty(spec.shape[1:], dtype=np.intp)  # np.take would make one of its own for every frame

    def write(picture: NDArray[np.uint8]) -> NDArray[Any]:
        np.copyto(places, picture)
        np.take(lookup, places, out=held[0], mode="clip")
        return held

    return write


def _shifter(held: NDArray[Any], shift: np.uint8) -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
    raw = held.view(np.uint8)[0]

    def write(picture: NDArray[np.uint8]) -> NDArray[Any]:
        np.bitwise_xor(picture, shift, out=raw)
        return held

    return write


# ---- outputs ---------------------------------------------------------------------------------------------------


def _reader(engine: Engine, bundle: Bundle) -> Callable[[int], Seen]:
    if bundle.manifest.task == "detection":
        return _Detections(engine, bundle.labels)
    return _Classes(engine, bundle.labels, bundle.manifest.output_kind)


class _Classes:
    """Reads the scores of a classifier."""

    def __init__(self, engine: Engine, labels: tuple[str, ...], kind: str) -> None:
        self._engine, self._labels = engine, labels
        self._logits = kind == "logits"
        if kind not in ("logits", "probabilities"):
            raise BadRequest(f"outputs of the kind {kind!r}", "the camera loop knows logits and probabilities")
        if len(engine.outputs) != 1 or math.prod(engine.outputs[0].shape) != len(labels):
            shapes = ", ".join(str(list(spec.shape)) for spec in engine.outputs)
            raise BadRequest(
                f"the model answers {shapes}, labels.txt has {len(labels):,} names", "give it the model's own labels"
            )

    def __call__(self, top: int) -> Seen:
        real = _real(self._engine, 0).ravel()
        scores = _softmax(real) if self._logits else np.clip(real, 0.0, 1.0)
        best = np.argsort(-scores, kind="stable")[:top]
        return Seen(scores, tuple(Sight(self._labels[place], float(scores[place])) for place in best))


class _Detections:
    """Reads the boxes of a detector; of classes that have no label the sights are called by their number, as "#17"."""

    def __init__(self, engine: Engine, labels: tuple[str, ...]) -> None:
        self._engine, self._labels = engine, labels
        self._places = find_outputs(engine.outputs)
        if not labels:
            raise BadRequest("labels.txt is empty", "a detector needs a name for each of its classes")

    def __call__(self, top: int) -> Seen:
        boxes = _real(self._engine, self._places.boxes)[0]
        count = min(len(boxes), max(0, int(_real(self._engine, self._places.number).ravel()[0])))
        found_scores, found_classes = (  # what lies behind the count was never written
            _real(self._engine, place).ravel()[:count] for place in (self._places.scores, self._places.classes)
        )
        found_scores = np.clip(found_scores, 0.0, 1.0)
        classes = np.rint(np.clip(found_classes, -1.0, MOST_CLASSES)).astype(np.int64)
        scores = np.zeros(len(self._labels))
        best: dict[int, Box] = {}
        sights: list[Sight] = []
        for i in np.argsort(-found_scores, kind="stable"):
            place, score = int(classes[i]), float(found_scores[i])
            if score <= 0.0:
                break
            box = Box(*(float(side) for side in np.clip(boxes[i], 0.0, 1.0)))
            known = 0 <= place < len(self._labels)
            if known and place not in best:
                scores[place], best[place] = score, box
            if len(sights) < top:
                sights.append(Sight(self._labels[place] if known else f"#{place}", score, box))
        return Seen(scores, tuple(sights), best)


def _real(engine: Engine, number: int) -> NDArray[np.float64]:
    """An output as real numbers; what is not a number counts as 0."""
    spec = engine.outputs[number]
    with np.errstate(invalid="ignore"):  # memory that was never written may hold signalling NaNs
        value = engine.output(number).astype(np.float64)
    if spec.scale:
        value -= spec.zero_point
        value *= spec.scale
    if spec.dtype.startswith("float"):
        np.nan_to_num(value, copy=False, posinf=HUGE, neginf=-HUGE)
    return value


def _softmax(real: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(real) == 1:
        return 1.0 / (1.0 + np.exp(-np.clip(real, -500.0, 500.0)))
    raised = np.exp(real - real.max())
    shares: NDArray[np.float64] = raised / raised.sum()
    return shares
