"""HashedNets as a stage: buckets and signs one by one with a hash in plain Python, values counted, facts enough."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from pydantic import ValidationError

from bramble.compress.hash import hash as hash_
from bramble.compress.hash import hashed, hashed_groups
from bramble.compress.prune import prune
from bramble.datasets.types import Dataset
from bramble.errors import RecipeError
from bramble.events import EpochEnded, Event, Note
from bramble.held.masks import prunable
from bramble.recipe import Prune, Recipe
from bramble.recipe_sharing import Hash
from bramble.stages import run_stage
from bramble.training.lesson import PLAIN
from bramble.work import Work
from bramble_zoo import lenet300

from ..conftest import GRAY8, quiet
from ..nets import copied

MASK = 0xFFFFFFFF


def xxh32(key: int, seed: int) -> int:
    """The specification's steps for four bytes, in Python's integers."""
    mixed = (seed + 374761393 + 4 + key * 3266489917) & MASK
    mixed = (((mixed << 17) | (mixed >> 15)) & MASK) * 668265263 & MASK
    mixed = (mixed ^ (mixed >> 15)) * 2246822519 & MASK
    mixed = (mixed ^ (mixed >> 13)) * 3266489917 & MASK
    return mixed ^ (mixed >> 16)


def how(**changes: object) -> Hash:
    """A sixteenth of the weights without training, with some keys changed."""
    given = {"do": "hash", "epochs": 0} | ({} if "buckets" in changes else {"compression": 1 / 16})
    return Hash.model_validate(given | changes)


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4, 6), (3, 3, 8, 1)], ids=["dense", "convolution", "depthwise"])
def test_buckets_and_signs_one_by_one(shape: tuple[int, ...]) -> None:
    """The place counts output channel first, as in a .tflite."""
    groups = hashed_groups(shape, 7, 40)
    rows = int(np.prod(shape[:-1]))
    for place in np.ndindex(shape):
        key = place[-1] * rows + int(np.ravel_multi_index(place[:-1], shape[:-1]))
        assert groups.index[place] == xxh32(key, 40) % 7
        assert groups.sign[place] == 1 - 2 * (xxh32(key, 41) & 1)


@pytest.mark.slow
def test_facts_rebuild_every_kernel(digits: Dataset, tmp_path: Path) -> None:
    """From seed, number of buckets and as many values per layer, by the facts of the stage, after training."""
    keras.utils.set_random_seed(1)
    settings = how(epochs=1, batch_size=128, seed=9)
    facts = run_stage(settings, lenet300.build((8, 8, 1), 10), None, quiet(digits), tmp_path)
    model = keras.models.load_model(tmp_path / "model.keras")
    sizes = {"fc1": 64 * 300, "fc2": 300 * 100, "fc3": 100 * 10}
    assert facts["hashed"] == {
        name: {"seed": 9 + 2 * number, "buckets": round(size / 16)} for number, (name, size) in enumerate(sizes.items())
    }
    for name, one in facts["hashed"].items():
        kernel = np.asarray(model.get_layer(name).kernel)
        flat = kernel.T.ravel()
        values: dict[int, float] = {}
        for place, weight in enumerate(flat.tolist()):
            sign = 1 - 2 * (xxh32(place, one["seed"] + 1) & 1)
            assert values.setdefault(xxh32(place, one["seed"]) % one["buckets"], sign * weight) == sign * weight
        assert len(values) == one["buckets"]
        assert facts["shared"][name]["weights"] == sizes[name]
        assert one["buckets"] - 3 <= facts["shared"][name]["values"] <= one["buckets"]  # two may be equal by chance


@pytest.mark.slow
def test_training_from_nothing_works(digits: Dataset) -> None:
    """A sixteenth of LeNet-300's weights learns the digits; values begin as wide as an initialiser made them."""
    keras.utils.set_random_seed(1)
    model = lenet300.build((8, 8, 1), 10)
    spread = [float(np.std(np.asarray(layer.kernel))) for layer in prunable(model)]
    fresh = hash_(copied(model), how(), quiet(digits), PLAIN)
    assert [float(np.std(np.asarray(layer.kernel))) for layer in prunable(fresh)] == pytest.approx(spread, rel=0.2)
    events: list[Event] = []
    settings = how(epochs=5, batch_size=32, learning_rate=3e-3)
    hash_(model, settings, Work(digits, GRAY8, 1, events.append), PLAIN)
    accuracies = [event.held_out_accuracy for event in events if isinstance(event, EpochEnded)]
    assert accuracies[-1] > 0.85


def test_mean_is_nearest_to_the_kernel(trained: keras.Model, digits: Dataset) -> None:
    """No value of a bucket, a little greater or less, is nearer to the trained kernel."""
    made = hash_(copied(trained), how(start="mean"), quiet(digits), PLAIN)
    for old, new, one in zip(prunable(trained), prunable(made), hashed(made, how()).values(), strict=True):
        groups = hashed_groups(old.kernel.shape, one["buckets"], one["seed"])
        own, kernel = np.asarray(old.kernel, np.float64), np.asarray(new.kernel, np.float64)
        sums = np.bincount(groups.index.ravel(), (groups.sign * (own - kernel)).ravel())
        assert np.abs(sums).max() < 1e-5


def test_named_layers_only_and_zeros_that_are_lost(trained: keras.Model, digits: Dataset) -> None:
    """The others stay to the bit; what an earlier prune left in a hashed layer is told."""
    first, second, *_ = (layer.name for layer in prunable(trained))
    cut = Prune.model_validate({"do": "prune", "epochs": 0, "densities": {first: 0.5}, "remove_dead": False})
    sparse = prune(copied(trained), cut, quiet(digits), PLAIN)
    events: list[Event] = []
    made = hash_(copied(sparse), how(buckets={first: 20}), Work(digits, GRAY8, 1, events.append), PLAIN)
    assert len(np.unique(np.abs(np.asarray(made.get_layer(first).kernel)))) <= 20
    assert np.array_equal(made.get_layer(second).get_weights()[0], sparse.get_layer(second).get_weights()[0])
    text = f"hash: an earlier prune left zeros in {first}; shared weights have none"
    assert Note(text, warning=True) in events


def test_what_cannot_be_asked_for(trained: keras.Model, digits: Dataset) -> None:
    """Both targets or none, more buckets than weights, a layer that is not there; a first stage without epochs."""
    for given in ({}, {"compression": 0.5, "buckets": {"a": 2}}, {"compression": 1.5}, {"buckets": {"a": 0}}):
        with pytest.raises(ValidationError):
            Hash.model_validate({"do": "hash"} | given)
    first = prunable(trained)[0]
    with pytest.raises(RecipeError, match=rf"hash: {first.name} has 144 weights, fewer than 145 buckets"):
        hash_(copied(trained), how(buckets={first.name: 145}), quiet(digits), PLAIN)
    with pytest.raises(RecipeError, match="hash: the model has no layer 'fc9' to hash"):
        hash_(copied(trained), how(buckets={"fc9": 2}), quiet(digits), PLAIN)
    stages = [{"do": "hash", "compression": 0.1, "epochs": 0}, {"do": "quantize"}]
    given = {"name": "a", "data": {"name": "digits"}, "model": {"build": "a:b"}, "stage": stages}
    with pytest.raises(ValidationError, match="has no weights yet"):
        Recipe.model_validate(given)
    stages[0]["epochs"] = 1
    Recipe.model_validate(given)


def test_tables_have_room(trained: keras.Model) -> None:
    """A layer of every kind has at least one bucket, however strong the compression."""
    pixels = keras.Input((4, 4, 1))
    model = keras.Model(pixels, layers.Dense(2)(layers.Flatten()(layers.DepthwiseConv2D(3)(pixels))))
    assert [one["buckets"] for one in hashed(model, how(compression=0.001)).values()] == [1, 1]
