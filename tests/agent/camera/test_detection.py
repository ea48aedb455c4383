"""Which output of a detector is which, by names as converters write them."""

from __future__ import annotations

import itertools

import pytest

from bramble_agent.camera.detection import Places, find_outputs
from bramble_agent.errors import BadRequest
from bramble_agent.wire import TensorSpec
from detector import NAMES, outputs

TF2 = (
    "StatefulPartitionedCall:3",
    "StatefulPartitionedCall:2",
    "StatefulPartitionedCall:1",
    "StatefulPartitionedCall:0",
)
WORDS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")


@pytest.mark.parametrize("names", [NAMES, TF2, WORDS])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_order(names: tuple[str, ...], order: tuple[int, ...]) -> None:
    """Boxes, classes, scores and count are found wherever they are."""
    assert find_outputs(outputs(names, order)) == Places(*(order.index(i) for i in range(4)))


@pytest.mark.parametrize("names", [("b", "x", "the scores", "n"), ("b", "the classes", "y", "n")])
def test_one_name_is_enough(names: tuple[str, ...]) -> None:
    """The other one is what is left."""
    assert find_outputs(outputs(names)) == Places(0, 1, 2, 3)


@pytest.mark.parametrize(
    "names", [("b", "x", "y", "n"), ("b", "scores", "scores 2", "n"), ("b", "class score", "y", "n")]
)
def test_names_that_do_not_tell(names: tuple[str, ...]) -> None:
    """Guessing would name the wrong things; so it is refused, with the names."""
    with pytest.raises(BadRequest, match=f"'{names[1]}' and '{names[2]}'"):
        find_outputs(outputs(names))


def spec(*shape: int) -> TensorSpec:
    """A float output."""
    return TensorSpec("x", shape, "float32")


@pytest.mark.parametrize(
    "others",
    [
        (spec(1, 2),),
        (spec(1, 10, 4), spec(1, 10)),
        (spec(1, 10, 4), spec(1, 10), spec(1, 9), spec(1)),
        (spec(1, 10, 5), spec(1, 10), spec(1, 10), spec(1)),
        (spec(1, 10, 4), spec(1, 10, 4), spec(1, 10), spec(1)),
    ],
)
def test_no_detector(others: tuple[TensorSpec, ...]) -> None:
    """Other shapes are refused with what a detector has."""
    with pytest.raises(BadRequest, match="the model is no detector") as caught:
        find_outputs(others)
    assert "TFLite_Detection_PostProcess" in caught.value.hint
