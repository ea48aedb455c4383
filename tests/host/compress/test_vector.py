"""Product quantization as a stage: runs of weights counted block by block, codewords that train together."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.vector import vector
from bramble.datasets.types import Dataset
from bramble.errors import RecipeError
from bramble.events import EpochEnded, Event, Note
from bramble.recipe_sharing import Vector
from bramble.training.lesson import PLAIN
from bramble.work import Work
from bramble_zoo import lenet300

from ..conftest import GRAY8, quiet
from ..nets import copied, scrambled


def how(**changes: object) -> Vector:
    """Sixteen codewords of three weights without training, with some keys changed."""
    return Vector.model_validate({"do": "vector", "epochs": 0, "block": 3, "codewords": 16} | changes)


def runs(kernel: NDArray[np.float32], block: int) -> list[NDArray[np.float32]]:
    """The different rows of each block of columns."""
    return [np.unique(kernel[:, at : at + block], axis=0) for at in range(0, kernel.shape[1], block)]


@pytest.fixture(scope="module")
def lenet(digits: Dataset) -> keras.Model:
    """LeNet-300 with random weights; not to be changed."""
    keras.utils.set_random_seed(1)
    return scrambled(lenet300.build((8, 8, 1), 10))


@pytest.mark.slow
def test_each_run_is_the_nearest_codeword(lenet: keras.Model, digits: Dataset) -> None:
    """Sixteen runs a block; ten outputs are three blocks of 3 and one of 1; each codeword the mean of its rows."""
    made = vector(copied(lenet), how(), quiet(digits), PLAIN)
    for name in ("fc1", "fc2", "fc3"):
        before, after = (np.asarray(model.get_layer(name).kernel) for model in (lenet, made))
        found = runs(after, 3)
        assert len(found) == -(-before.shape[1] // 3)
        assert {len(one) for one in found} == {16}
        for at, codewords in zip(range(0, before.shape[1], 3), found, strict=True):
            rows, own = before[:, at : at + 3], after[:, at : at + 3]
            for word in codewords:
                assert rows[(own == word).all(1)].mean(0) == pytest.approx(word, abs=1e-5)
    assert found[-1].shape == (16, 1)


@pytest.mark.slow
def test_training_moves_codewords_only(lenet: keras.Model, digits: Dataset) -> None:
    """After an epoch the same rows share, with other values; layers that are not named have their own weights."""
    settings = how(layers=["fc2"])
    before = np.asarray(vector(copied(lenet), settings, quiet(digits), PLAIN).get_layer("fc2").kernel)
    tuned = settings.model_copy(update={"epochs": 1, "batch_size": 256})
    events: list[Event] = []
    made = vector(copied(lenet), tuned, Work(digits, GRAY8, 1, events.append), PLAIN)
    after = np.asarray(made.get_layer("fc2").kernel)
    for at in range(0, 100, 3):
        old, new = before[:, at : at + 3], after[:, at : at + 3]
        pairs = np.unique(np.hstack([old, new]), axis=0)
        assert len(pairs) == len(np.unique(old, axis=0)) == len(np.unique(new, axis=0))
    assert np.any(before != after)
    assert len(np.unique(np.asarray(made.get_layer("fc1").kernel))) > 0.9 * 64 * 300
    assert events[0] == Note("vector: values for weights: fc2 1,600 for 30,000")
    assert isinstance(events[-1], EpochEnded)


def test_what_cannot_be_asked_for(lenet: keras.Model, trained: keras.Model, digits: Dataset) -> None:
    """No dense layer, a convolution by name, no fewer codewords than rows."""
    pixels = keras.Input((8, 8, 1))
    convolutions = keras.Model(pixels, layers.GlobalAveragePooling2D()(layers.Conv2D(10, 3, name="conv")(pixels)))
    with pytest.raises(RecipeError, match="vector: the model has no dense layer"):
        vector(convolutions, how(), quiet(digits), PLAIN)
    with pytest.raises(RecipeError, match="vector: the model has no layer 'conv' to vector"):
        vector(copied(lenet), how(layers=["conv"]), quiet(digits), PLAIN)
    with pytest.raises(RecipeError, match="vector: fc1 has 64 rows, no more than 64 codewords") as caught:
        vector(copied(lenet), how(codewords=64), quiet(digits), PLAIN)
    assert caught.value.hint == "give fewer codewords, or name other layers"
