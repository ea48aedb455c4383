"""Where activations are rounded, on graphs whose tensors can be counted."""

from __future__ import annotations

import keras
from keras import layers

from bramble.quantization.fold import fold
from bramble.quantization.places import places
from bramble.quantization.plain import plain

from .graphs import BODIES, around, located


def chain() -> keras.Model:
    """conv, norm, ReLU → pool → conv → flatten → dense → softmax."""
    pixels = keras.Input((8, 8, 3), name="pixels")
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, name="conv")(pixels)))
    x = layers.Conv2D(4, 3, name="second")(layers.MaxPooling2D(2, name="pool")(x))
    x = layers.Dense(3, activation="softmax", name="out")(layers.Flatten(name="flat")(x))
    return keras.Model(pixels, x)


def test_one_place_an_operator() -> None:
    """Input, fused ReLU, second convolution, logits; pooling and flatten pass integers on, the softmax is its own."""
    found = located(chain())
    assert set(found.range_of) == {"pixels", "relu", "second", "out"}
    assert (found.measured["pool"], found.measured["flat"]) == (found.range_of["relu"], found.range_of["second"])
    assert found.fixed == {"pixels": (0.0, 1.0)}
    assert found.bare == ("out_activation",)


def test_norms_that_stay_for_training_change_no_place() -> None:
    """Between a convolution and its norm nothing is rounded: they become one."""
    graph = fold(plain(chain()), keep_norms=True)
    assert set(places(graph, {"pixels": (0.0, 1.0)}).range_of) == {"pixels", "relu", "second", "out"}


def test_relu_that_is_not_alone_is_not_fused() -> None:
    """A convolution that is read twice is rounded before the ReLU too."""
    found = located(around(BODIES["residual"]))
    order = list(found.range_of)
    assert order[:2] == ["pixels", "first"]
    assert sum(name.startswith("re_lu") for name in order) == 2
    assert not [name for name in order if name.startswith(("add", "batch"))]  # the sum is fused with its ReLU


def test_concatenation_shares_one_range() -> None:
    """Both inputs, the output and the pooled output; the pool is rounded, since means lie between the steps."""
    found = located(around(BODIES["concat"]))
    one = found.measured["both"]
    sharing = [name for name, group in found.measured.items() if group == one]
    assert len(sharing) == 5  # two inputs, the concatenation, the pool and flatten
    assert "average_pooling2d" in {name.rstrip("_0123456789") for name in found.range_of}
    assert str(found).count("one range") >= 1


def test_fixed_range_is_rounded_again_for_others() -> None:
    """The picture keeps its 256 steps for the convolution, and gets the concatenation's range on its way there."""
    found = located(around(BODIES["picture beside"]))
    ((call, number),) = found.again
    assert (call.rstrip("_0123456789"), number) == ("concatenate", 1)
    assert found.again[call, number] == found.range_of["first"] == found.measured[call]
    assert found.fixed == {"pixels": (0.0, 1.0)}
    assert "rounded again" in str(found)


def test_gate_in_the_middle_has_the_range_of_its_operator() -> None:
    """A sigmoid inside of a graph is 0 … 255/256, as TFLite's operator gives it."""
    found = located(around(BODIES["squeeze-excite"]))
    assert found.fixed[found.range_of["gate_activation"]] == (0.0, 255 / 256)
    assert found.bare == ()


def test_input_without_known_range_is_calibrated() -> None:
    """What no preprocessing fixes is measured."""
    found = places(fold(plain(chain())))
    assert not found.fixed
    assert "pixels: calibrated" in str(found)
