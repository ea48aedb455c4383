"""Clustering as a stage: values and zeros counted, nearest values by numpy, training that only moves values."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray
from pydantic import ValidationError

from bramble.compress.cluster import cluster
from bramble.compress.prune import prune
from bramble.datasets.types import Dataset
from bramble.errors import RecipeError, UsageError
from bramble.events import EpochEnded, Event, Note
from bramble.held.masks import prunable
from bramble.held.sharing import shared_groups
from bramble.recipe import Prune
from bramble.recipe_sharing import Cluster
from bramble.training.lesson import PLAIN, Lesson
from bramble.work import Work
from bramble_zoo import resnet8

from ..conftest import GRAY8, quiet
from ..nets import copied


def how(**changes: object) -> Cluster:
    """Eight clusters without training, with some keys changed."""
    given = {"do": "cluster", "epochs": 0} | ({} if "bits" in changes else {"clusters": 8})
    return Cluster.model_validate(given | changes)


def kernels(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """The kernels by layer."""
    return {layer.name: np.array(layer.kernel) for layer in prunable(model)}


def values(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The different weights that are not 0."""
    return np.unique(kernel[kernel != 0])


@pytest.fixture(scope="module")
def sparse(trained: keras.Model, digits: Dataset) -> keras.Model:
    """The digits model with three tenths of its weights; not to be changed."""
    cut = Prune.model_validate({"do": "prune", "epochs": 0, "density": 0.3, "remove_dead": False})
    return prune(copied(trained), cut, quiet(digits), PLAIN)


@pytest.mark.parametrize("start", ["linear", "density", "random"])
def test_each_weight_takes_the_nearest_of_its_layers_values(trained: keras.Model, digits: Dataset, start: str) -> None:
    """At most eight values a layer, each the mean of its members; no weight has a nearer one."""
    before = kernels(trained)
    for name, kernel in kernels(cluster(copied(trained), how(start=start), quiet(digits), PLAIN)).items():
        found = values(kernel)
        assert len(found) <= 8
        nearest = found[np.abs(before[name][..., None] - found).argmin(-1)]
        assert np.mean(nearest == kernel) > 0.99  # k-means stops a little before the end
        for value in found:
            assert before[name][kernel == value].mean() == pytest.approx(value, abs=1e-5)


def test_zeros_stay_zeros_and_are_no_cluster(sparse: keras.Model, digits: Dataset) -> None:
    """A pruned layer has its zeros in the same places, and eight values besides."""
    made = kernels(cluster(copied(sparse), how(), quiet(digits), PLAIN))
    for name, kernel in kernels(sparse).items():
        assert np.array_equal(kernel == 0, made[name] == 0)
        assert len(values(made[name])) == 8


def test_zeros_are_weights_like_others_on_request(sparse: keras.Model, digits: Dataset) -> None:
    """With keep_zeros = false there are eight values in all."""
    made = kernels(cluster(copied(sparse), how(keep_zeros=False), quiet(digits), PLAIN))
    assert all(len(np.unique(kernel)) == 8 for kernel in made.values())


@pytest.mark.slow
def test_training_moves_values_and_nothing_else(sparse: keras.Model, trained: keras.Model, digits: Dataset) -> None:
    """Two epochs with a teacher: the same weights share, the zeros are the same, and the model got better."""
    coarse = how(clusters=6)
    before = kernels(cluster(copied(sparse), coarse, quiet(digits), PLAIN))
    events: list[Event] = []
    settings = coarse.model_copy(update={"epochs": 3, "batch_size": 32, "learning_rate": 1e-3})
    made = cluster(copied(sparse), settings, Work(digits, GRAY8, 1, events.append), Lesson(copied(trained)))
    for name, kernel in kernels(made).items():
        assert np.array_equal(kernel == 0, before[name] == 0)
        old = values(before[name])
        assert all(len(np.unique(kernel[before[name] == value])) == 1 for value in old)
        assert np.any(kernel != before[name])
    accuracies = [event.held_out_accuracy for event in events if isinstance(event, EpochEnded)]
    assert accuracies[-1] > 0.85


def test_bits_by_layer(trained: keras.Model, digits: Dataset) -> None:
    """Two bits are four values, three are eight, what is not named stays to the bit; a later stage keeps both."""
    first, second, *others = (layer.name for layer in prunable(trained))
    made = cluster(copied(trained), how(bits={first: 2, second: 3}), quiet(digits), PLAIN)
    found = kernels(made)
    assert (len(values(found[first])), len(values(found[second]))) == (4, 8)
    assert all(np.array_equal(found[name], kernels(trained)[name]) for name in others)
    again = cluster(made, how(bits={others[0]: 1}, epochs=1, batch_size=256), quiet(digits), PLAIN)
    assert {name: one.count for name, one in shared_groups(prunable(again)).items()} == {
        first: 4,
        second: 8,
        others[0]: 2,
    }


def test_more_clusters_than_weights_are_told() -> None:
    """A kernel of five different weights gets five clusters, in silence about the other."""
    pixels = keras.Input((4, 4, 1))
    x = layers.Dense(6, name="few")(layers.Flatten()(pixels))
    model = keras.Model(pixels, layers.Dense(30, name="many")(x))
    model.get_layer("few").kernel.assign(np.resize(np.arange(1.0, 6.0), (16, 6)))
    events: list[Event] = []
    made = cluster(model, how(), Work(None, GRAY8, 1, events.append), PLAIN)  # type: ignore[arg-type]
    assert values(np.asarray(made.get_layer("few").kernel)).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert events == [
        Note("cluster: few has 5 different weights: as many clusters, not 8", warning=True),
        Note("cluster: values for weights: few 5 for 96, many 8 for 180"),
    ]


def test_what_cannot_be_asked_for(trained: keras.Model, digits: Dataset) -> None:
    """Both targets or none, a single cluster, nine bits, a layer that is not there, dropout without such layers."""
    for given in ({}, {"clusters": 4, "bits": {"a": 2}}, {"clusters": 1}, {"bits": {"a": 9}}, {"bits": {}}):
        with pytest.raises(ValidationError):
            Cluster.model_validate({"do": "cluster"} | given)
    with pytest.raises(RecipeError, match="cluster: the model has no layer 'fc9' to cluster") as caught:
        cluster(copied(trained), how(bits={"fc9": 2}), quiet(digits), PLAIN)
    assert caught.value.hint.startswith("its layers: ")
    with pytest.raises(UsageError, match="has no Dropout layer"):
        cluster(resnet8.build((8, 8, 1), 10), how(dropout=0.5), quiet(digits), PLAIN)
