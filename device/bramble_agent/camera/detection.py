"""What an SSD detector answers: the four outputs of TFLite_Detection_PostProcess, in whichever order they come.

    boxes [1, N, 4] (top, left, bottom, right as shares)   classes [1, N]   scores [1, N]   count [1]

Boxes and count are known by their shapes. Classes and scores have the same: they are told apart by their names, where
converters write "score" or "class", TFLite_Detection_PostProcess:1 (classes) and :2 (scores), or, of TensorFlow 2's
object detection API, StatefulPartitionedCall:1 (scores) and :2 (classes).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import BadRequest
from ..wire import TensorSpec

CLASSES_OF = {"TFLite_Detection_PostProcess": 1, "StatefulPartitionedCall": 2}
SCORES_OF = {"TFLite_Detection_PostProcess": 2, "StatefulPartitionedCall": 1}
FOUR = "a detector ends in TFLite_Detection_PostProcess: boxes, classes, scores, count"


class Places(NamedTuple):
    """Which outputs hold the boxes, their classes, their scores, and the number of them."""

    boxes: int
    classes: int
    scores: int
    number: int


def find_outputs(outputs: Sequence[TensorSpec]) -> Places:
    """Which output is which. Raises BadRequest for a model that is no such detector, or does not let itself be told."""
    numbers = range(len(outputs))
    boxes = [i for i in numbers if len(outputs[i].shape) == 3 and outputs[i].shape[-1] == 4]
    count = [i for i in numbers if math.prod(outputs[i].shape) == 1 and len(outputs[i].shape) < 2]
    rest = [i for i in numbers if i not in boxes + count]
    if (len(boxes), len(count), len(rest)) != (1, 1, 2):
        shapes = ", ".join(str(list(output.shape)) for output in outputs)
        raise BadRequest(f"the model is no detector: its outputs are {shapes}", FOUR)
    most = outputs[boxes[0]].shape[1]
    if any(math.prod(outputs[i].shape) != most for i in rest):
        raise BadRequest(f"the model is no detector: not every box of {most} has a class and a score", FOUR)
    one, other = rest
    kinds = [_kind(outputs[i].name) for i in rest]
    if kinds in (["class", "score"], ["class", ""], ["", "score"]):
        return Places(boxes[0], one, other, count[0])
    if kinds in (["score", "class"], ["score", ""], ["", "class"]):
        return Places(boxes[0], other, one, count[0])
    names = " and ".join(repr(outputs[i].name) for i in rest)
    raise BadRequest(f"which output holds the classes, which the scores? They are called {names}", FOUR)


def _kind(name: str) -> str:
    """What a name says its output holds: "class", "score", or ""."""
    low = name.lower()
    if ("class" in low) != ("score" in low):
        return "class" if "class" in low else "score"
    numbered = re.fullmatch(r"(\w+):(\d+)", name)
    if numbered is None:
        return ""
    family, number = numbered.group(1), int(numbered.group(2))
    if CLASSES_OF.get(family) == number:
        return "class"
    return "score" if SCORES_OF.get(family) == number else ""
