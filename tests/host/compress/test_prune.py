"""Unstructured pruning: how much stays and what, by hand and in numpy; how it goes on while training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.prune import prune
from bramble.datasets.types import Dataset, Images
from bramble.errors import RecipeError
from bramble.events import EpochEnded, Event, Note
from bramble.held.masks import prunable
from bramble.pruning.sensitivity import allocate, scan
from bramble.recipe import Prune
from bramble.training.lesson import PLAIN, Lesson
from bramble.work import Work
from bramble_zoo import lenet300

from ..conftest import GRAY8, quiet
from ..nets import copied

Kernels = list[NDArray[np.float32]]
SIZES = [9 * 16, 9 * 16 * 32, 2 * 2 * 32 * 32, 32 * 10]  # of the digits model's kernels: 9,168 in all


def how(**changes: object) -> Prune:
    """A tenth is kept, at once and without training, dead units too, with some keys changed."""
    return Prune.model_validate({"do": "prune", "epochs": 0, "density": 0.1, "remove_dead": False} | changes)


def trained_on(**changes: object) -> Prune:
    """The same, with an epoch of training."""
    return how(**({"epochs": 1, "batch_size": 32, "learning_rate": 1e-3} | changes))


def small(digits: Dataset) -> Dataset:
    """The first 256 training pictures: eight batches of 32."""
    return Dataset(digits.labels, digits.train.take(np.arange(256)), digits.held_out, digits.test)


def kernels(model: keras.Model) -> Kernels:
    """What can be pruned."""
    return [np.asarray(layer.kernel) for layer in prunable(model)]


def biases(model: keras.Model) -> Kernels:
    """What cannot."""
    return [np.asarray(layer.bias) for layer in prunable(model)]


def kept(model: keras.Model) -> list[int]:
    """Kernel weights that are not zero, by layer."""
    return [int(np.count_nonzero(kernel)) for kernel in kernels(model)]


def names(model: keras.Model) -> list[str]:
    """The layers that can be pruned."""
    return [layer.name for layer in prunable(model)]


@pytest.mark.parametrize("settings", [how(), trained_on(), trained_on(ramp="linear")], ids=["zero", "cubic", "linear"])
def test_density_over_all_is_exact(trained: keras.Model, digits: Dataset, settings: Prune) -> None:
    """A tenth of 9,168 weights is 917, with training and without."""
    assert sum(kept(prune(copied(trained), settings, quiet(small(digits)), PLAIN))) == 917


@pytest.mark.parametrize("settings", [how(scope="local"), trained_on(scope="local")], ids=["zero", "trained"])
def test_density_in_each_layer_is_exact(trained: keras.Model, digits: Dataset, settings: Prune) -> None:
    """A tenth of 144, 4,608, 4,096 and 320."""
    assert kept(prune(copied(trained), settings, quiet(small(digits)), PLAIN)) == [14, 461, 410, 32]


@pytest.mark.parametrize("criterion", ["random", "taylor", "obd"])
def test_every_criterion_reaches_the_density(trained: keras.Model, digits: Dataset, criterion: str) -> None:
    """However ranked, as many weights stay; and not the same ones as by magnitude."""
    by_size = prune(copied(trained), how(), quiet(small(digits)), PLAIN)
    other = prune(copied(trained), how(criterion=criterion), quiet(small(digits)), PLAIN)
    assert sum(kept(other)) == 917
    assert any(np.any((a != 0) != (b != 0)) for a, b in zip(kernels(by_size), kernels(other), strict=True))


def test_densities_by_name(trained: keras.Model, digits: Dataset) -> None:
    """Named layers keep their share, the others all."""
    _, second, _, last = names(trained)
    settings = how(density=None, densities={second: 0.25, last: 0.5})
    assert kept(prune(copied(trained), settings, quiet(digits), PLAIN)) == [144, 1152, 4096, 160]


@pytest.mark.parametrize("quality", [0.5, 1.5])
def test_quality_is_hans_threshold(trained: keras.Model, digits: Dataset, quality: float) -> None:
    """What stays is |w| ≥ q·std of its layer, weight by weight; what stays is as it was."""
    pruned = prune(copied(trained), how(density=None, quality=quality), quiet(digits), PLAIN)
    for found, kernel in zip(kernels(pruned), kernels(trained), strict=True):
        assert np.array_equal(found, np.where(np.abs(kernel) >= quality * kernel.std(), kernel, 0))


def test_quality_keeps_one_weight_of_each_layer(trained: keras.Model, digits: Dataset) -> None:
    """A threshold above everything leaves the largest weight."""
    pruned = prune(copied(trained), how(density=None, quality=1e6), quiet(digits), PLAIN)
    assert kept(pruned) == [1, 1, 1, 1]
    assert [np.abs(k).max() for k in kernels(pruned)] == [np.abs(k).max() for k in kernels(trained)]


def test_without_epochs_nothing_is_trained(trained: keras.Model, digits: Dataset) -> None:
    """The 917 largest weights are as they were, biases too, and no epoch is told."""
    told: list[Event] = []
    pruned = prune(copied(trained), how(), Work(digits, GRAY8, 1, told.append), PLAIN)
    limit = np.sort(np.concatenate([np.abs(kernel).ravel() for kernel in kernels(trained)]))[-917]
    for found, kernel in zip(kernels(pruned), kernels(trained), strict=True):
        assert np.array_equal(found, np.where(np.abs(kernel) >= limit, kernel, 0))
    assert all(np.array_equal(a, b) for a, b in zip(biases(pruned), biases(trained), strict=True))
    assert told == []


def test_survivors_and_biases_train_on(trained: keras.Model, digits: Dataset) -> None:
    """After an epoch most of those that stayed have moved (not all: some ReLUs are dead); biases have, unmasked."""
    pruned = prune(copied(trained), trained_on(density=0.5), quiet(small(digits)), PLAIN)
    for found, kernel in zip(kernels(pruned), kernels(trained), strict=True):
        assert np.mean(found[found != 0] != kernel[found != 0]) > 0.6
    assert all(np.count_nonzero(bias) == bias.size for bias in biases(pruned)[:1])
    assert all(np.any(a != b) for a, b in zip(biases(pruned), biases(trained), strict=True))


class Count(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes how many kernel weights are not zero, after each step."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.pruned, self.counts = model, list[int]()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count."""
        self.counts.append(sum(kept(self.pruned)))


@pytest.mark.parametrize(
    ("ramp", "densities"),
    [
        ("one-shot", [0.2] * 8),
        ("linear", [1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2, 0.2]),
        ("cubic", [1.0, 0.5375, 0.3, 0.2125, 0.2, 0.2, 0.2, 0.2]),  # 0.2 + 0.8·(1 − k/4)³
    ],
)
def test_ramp_step_by_step(trained: keras.Model, digits: Dataset, ramp: str, densities: list[float]) -> None:
    """Eight steps, the first half of them the ramp: the density that each step trains at, by hand."""
    model = copied(trained)
    count = Count(model)
    settings = trained_on(density=0.2, ramp=ramp, ramp_share=0.5, rescale_dropout=False)
    prune(model, settings, quiet(small(digits)), Lesson(callbacks=(count,)))
    assert count.counts == pytest.approx([density * 9168 for density in densities], abs=1)


@pytest.mark.slow
def test_early_stopping_waits_for_the_ramp(trained: keras.Model, digits: Dataset) -> None:
    """Held-out labels that are all wrong make the first epoch the best: the density is reached all the same."""
    wrong = Images(digits.held_out.pixels, (digits.held_out.labels + 1) % 10)
    data = Dataset(digits.labels, small(digits).train, wrong, digits.test)
    told: list[Event] = []
    settings = trained_on(density=0.8, epochs=8, ramp_share=0.5, patience=1)
    pruned = prune(copied(trained), settings, Work(data, GRAY8, 1, told.append), PLAIN)
    assert sum(kept(pruned)) == 7334  # of 9,168
    assert 4 < len([event for event in told if isinstance(event, EpochEnded)]) < 8


def test_weights_keep_more_of_a_layer(trained: keras.Model, digits: Dataset) -> None:
    """A large factor on the output layer's scores keeps all of it, and the total stays."""
    pruned = prune(copied(trained), how(weights={names(trained)[-1]: 1e6}), quiet(digits), PLAIN)
    assert kept(pruned)[-1] == 320
    assert sum(kept(pruned)) == 917


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"epochs": 1, "batch_size": 32, "ramp": "linear"}], ids=["zero", "trained"])
def test_sensitivity_keeps_the_total(trained: keras.Model, digits: Dataset, changes: dict[str, object]) -> None:
    """917 of 9,168 stay, as the curves on these pictures say and not the same share everywhere; the shares are told."""
    told: list[Event] = []
    work = Work(small(digits), GRAY8, 1, told.append)
    left = kept(prune(copied(trained), how(scope="sensitivity", **changes), work, PLAIN))
    assert sum(left) == 917
    shares = [count / size for count, size in zip(left, SIZES, strict=True)]
    ranked = [np.abs(kernel) for kernel in kernels(trained)]
    curves = scan(trained, prunable(trained), ranked, small(digits).train, GRAY8)
    expected = allocate(curves, dict(zip(names(trained), SIZES, strict=True)), 0.1)
    assert shares == pytest.approx(list(expected.values()), abs=1e-9)
    assert left != [14, 461, 410, 32]  # a tenth of each
    (note,) = [event.text for event in told if isinstance(event, Note)]
    listed = ", ".join(f"{name} {share:.3g}" for name, share in zip(names(trained), shares, strict=True))
    assert note == f"prune: densities by sensitivity: {listed}"


def test_dead_units_go(trained: keras.Model, digits: Dataset) -> None:
    """At a density of 1 % some of 16, 32 and 32 die; without them the same answers, and the next stages work."""
    whole, alive = (
        prune(copied(trained), how(density=0.01, scope="local", remove_dead=remove), quiet(digits), PLAIN)
        for remove in (False, True)
    )
    assert names(alive) == names(whole)
    assert alive.count_params() < 0.5 * whole.count_params()
    pictures = (digits.held_out.pixels / 255).astype(np.float32)
    assert np.allclose(alive(pictures), whole(pictures), atol=1e-5)
    again = prune(alive, trained_on(density=0.5, remove_dead=True), quiet(small(digits)), PLAIN)
    assert again.output_shape == (None, 10)


class Own(keras.Model):  # type: ignore[misc]
    """A model whose graph nobody can see."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.dense = layers.Flatten(), layers.Dense(10)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """One dense layer."""
        return self.dense(self.flat(x))


def test_where_the_graph_is_hidden_dead_units_stay(digits: Dataset) -> None:
    """A subclassed model is pruned all the same, and one warning tells why nothing was removed."""
    model = Own()
    model(np.zeros((1, 8, 8, 1), np.float32))
    told: list[Event] = []
    pruned = prune(model, how(remove_dead=True), Work(digits, GRAY8, 1, told.append), PLAIN)
    assert kept(pruned) == [64]
    assert [event.text for event in told if isinstance(event, Note)] == [
        f"prune: dead units stay: {model.name} is not a functional model"
    ]


def test_a_scope_that_empties_a_layer_is_refused(digits: Dataset) -> None:
    """Weights of one layer far below the others': ranked together, none of them would be left."""
    model = lenet300.build((8, 8, 1), 10)
    model.get_layer("fc2").kernel.assign(np.asarray(model.get_layer("fc2").kernel) * 1e-6)
    with pytest.raises(RecipeError, match=r"density = 0.2 nothing would be left of fc2"):
        prune(model, how(density=0.2), quiet(digits), PLAIN)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["taylor", "obd"])
def test_what_is_pruned_stays_so_whatever_the_scores(digits: Dataset, criterion: str) -> None:
    """Weights behind black pixels score 0 like pruned ones: none of those comes back, and the density is exact."""
    seen: list[list[np.ndarray]] = []  # type: ignore[type-arg]
    model = lenet300.build((8, 8, 1), 10)
    layers_ = [model.get_layer(name) for name in ("fc1", "fc2", "fc3")]
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append([np.asarray(layer.kernel) != 0 for layer in layers_])
    )
    prune(model, how(density=0.9, criterion=criterion, epochs=1), quiet(digits), replace(PLAIN, callbacks=(look,)))
    assert sum(np.count_nonzero(mask) for mask in seen[-1]) == pytest.approx(0.9 * 50_200, abs=1)
    assert all(not (new & ~old).any() for old, new in zip(seen[1], seen[-1], strict=True))


@pytest.mark.parametrize("changes", [{"weights": {"fc9": 2.0}}, {"density": None, "densities": {"fc9": 0.5}}], ids=str)
def test_unknown_layer_names_those_there_are(digits: Dataset, changes: dict[str, object]) -> None:
    """A name that no layer has is an error with all names."""
    with pytest.raises(RecipeError, match="no layer 'fc9' to prune") as caught:
        prune(lenet300.build((8, 8, 1), 10), how(**changes), quiet(digits), PLAIN)
    assert caught.value.hint == "its layers: fc1, fc2, fc3"


@pytest.mark.slow
def test_a_teacher_replaces_the_labels(trained: keras.Model, digits: Dataset) -> None:
    """With alpha = 1, right labels and wrong ones give the same weights; without a teacher they do not."""
    right = small(digits)
    wrong = Dataset(digits.labels, Images(right.train.pixels, right.train.labels[::-1]), digits.held_out, digits.test)

    def pruned(data: Dataset, lesson: Lesson) -> NDArray[np.float32]:
        keras.utils.set_random_seed(1)
        return np.concatenate([k.ravel() for k in kernels(prune(copied(trained), trained_on(), quiet(data), lesson))])

    taught = [pruned(data, Lesson(copied(trained), alpha=1.0)) for data in (right, wrong)]
    alone = [pruned(data, PLAIN) for data in (right, wrong)]
    assert np.array_equal(taught[0], taught[1])
    assert not np.allclose(alone[0], alone[1], atol=1e-3)
    assert np.count_nonzero(taught[0]) == 917


def test_pruning_parts_shared_values_and_says_so(trained: keras.Model, digits: Dataset) -> None:
    """A kernel of four values that is pruned and trained has more: the order to choose is told."""
    model = copied(trained)
    first = prunable(model)[0]
    first.kernel.assign(np.resize(np.array([-0.3, -0.1, 0.1, 0.25], np.float32), first.kernel.shape))
    told: list[Event] = []
    how = Prune.model_validate({"do": "prune", "epochs": 1, "batch_size": 256, "density": 0.5})
    made = prune(model, how, Work(digits, GRAY8, 1, told.append), PLAIN)
    assert len(np.unique(np.asarray(prunable(made)[0].kernel))) > 6
    text = f"prune: the weights of {first.name} no longer share values: prune first, then cluster"
    assert Note(text, warning=True) in told
