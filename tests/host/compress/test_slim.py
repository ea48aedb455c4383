"""Structured pruning: how many channels go, which ones by each criterion, and when data is touched."""

from __future__ import annotations

from typing import Any, cast

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.slim import slim
from bramble.datasets.types import Dataset, Images
from bramble.errors import IncompatibleError, RecipeError, UsageError
from bramble.events import EpochEnded, Event
from bramble.recipe import Slim
from bramble.training.lesson import PLAIN, Lesson
from bramble.work import Work
from bramble_agent.wire import Pixels
from bramble_zoo import digits_cnn, resnet8

from ..conftest import GRAY8
from ..nets import chain, copied, scrambled, tricky, widths


class Untouchable:
    """Data that nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"somebody looked at {name}")


NO_DATA = cast("Dataset", Untouchable())


def how(**changes: object) -> Slim:
    """Half of everything, without training, with some keys changed."""
    given = {"do": "slim", "ratio": 0.5, "epochs": 0} | changes
    return Slim.model_validate({key: value for key, value in given.items() if value is not None})


def zero_shot(model: keras.Model, /, *, seed: int = 1, **changes: Any) -> keras.Model:
    """Slim without data."""
    return slim(model, how(**changes), Work(NO_DATA, GRAY8, seed, lambda event: None), PLAIN)


def digits_widths(**changes: Any) -> list[int]:
    """What is left of the digits model's 16, 32 and 32."""
    return list(widths(zero_shot(digits_cnn.build((8, 8, 1), 10), **changes)).values())[:-1]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"ratio": 0.5}, [8, 16, 16]),
        ({"ratio": 0.3}, [11, 22, 22]),  # 11.2 and 22.4
        ({"ratio": 0.99}, [1, 1, 1]),
        ({"ratio": 0.3, "round_to": 8}, [8, 24, 24]),  # 1.4 and 2.8 times eight
        ({"ratio": 0.99, "round_to": 8}, [8, 8, 8]),
        ({"ratio": 0.5, "round_to": 16}, [16, 16, 16]),
        ({"ratio": 0.5, "round_to": 16, "steps": 2}, [16, 16, 16]),  # the second round has nothing left to do
        ({"ratio": 0.5, "steps": 3}, [8, 16, 16]),
        ({"ratio": 0.5, "steps": 4, "round_to": 8}, [8, 16, 16]),  # the first round rounds back to all of 16
    ],
    ids=str,
)
def test_how_many_stay_by_hand(changes: dict[str, Any], left: list[int]) -> None:
    """A width times (1 − ratio), rounded to the nearest multiple, at least one of it, in however many rounds."""
    assert digits_widths(**changes) == left


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("channels", [8, 8, 8, 10, 16, 16, 16, 32, 32, 32]),
        ("filters", [8, 10, 16, 16, 16, 32, 32, 32, 64, 64]),
    ],
)
def test_channels_and_filters_of_resnet8(kind: str, left: list[int]) -> None:
    """Channels halve every width; filters only 16, 32 and 64 inside the three stacks. Ten classes stay."""
    slimmer = zero_shot(resnet8.build((16, 16, 3), 10), kind=kind)
    assert sorted(widths(slimmer).values()) == left


def test_filters_may_go_from_a_gate() -> None:
    """What only a gate joins is no representation: "squeeze" and "c" shrink, the sum's 12 stay."""
    left = widths(zero_shot(tricky(), kind="filters"))
    assert left == {"a": 6, "b": 12, "squeeze": 2, "excite": 12, "c": 2, "d": 4, "out": 3}


def of_two(values: list[list[float]]) -> keras.Model:
    """A chain whose first convolution has these weights [2 inputs][channels]."""
    model = chain(len(values[0]))
    model.get_layer("conv0").kernel.assign(np.array(values)[None, None])
    return model


def kept(slimmer: keras.Model, model: keras.Model, name: str = "conv0") -> list[int]:
    """Which channels of a layer are left, found by their biases."""
    biases = model.get_layer(name).get_weights()[1].tolist()
    return [biases.index(bias) for bias in slimmer.get_layer(name).get_weights()[1].tolist()]


@pytest.mark.parametrize(("criterion", "left"), [("l1", [1, 2]), ("l2", [0, 2])])
def test_norms_by_hand(criterion: str, left: list[int]) -> None:
    """Columns (3, 0), (2, −2), (5, 5), (1, 1): sums of sizes 3, 4, 10, 2; lengths 3, √8, √50, √2."""
    model = of_two([[3.0, 2.0, 5.0, 1.0], [0.0, -2.0, 5.0, 1.0]])
    assert kept(zero_shot(model, criterion=criterion), model) == left


def test_batch_norm_scale_by_hand() -> None:
    """|gamma| decides, whatever the kernel says."""
    model = chain(4, normalised=True)
    model.get_layer("norm0").gamma.assign([0.1, -2.0, 1.0, 0.5])
    assert kept(zero_shot(model, criterion="bn"), model) == [1, 2]


def test_a_sum_is_scored_by_the_mean_of_its_layers() -> None:
    """Norms (1, 5) and (10, 5.5) over their means 3 and 7.75 add up to 1.62 and 2.38: the first goes.

    Added as they are, 11 and 10.5, the second would.
    """
    pixels = keras.Input((2, 2, 1))
    x, y = (layers.Conv2D(2, 1, name=name)(pixels) for name in ("conv0", "conv1"))
    model = scrambled(keras.Model(pixels, layers.Dense(2)(layers.Flatten()(layers.Add()([x, y])))))
    model.get_layer("conv0").kernel.assign(np.array([1.0, 5.0]).reshape(1, 1, 1, 2))
    model.get_layer("conv1").kernel.assign(np.array([10.0, 5.5]).reshape(1, 1, 1, 2))
    assert kept(zero_shot(model), model) == [1]


def test_taylor_by_numpy() -> None:
    """Σ|w·∂L/∂w| of each channel, with the gradient of conv 1x1 → dense written out."""
    keras.utils.set_random_seed(3)
    pixels = keras.Input((1, 1, 1))
    out = layers.Dense(2, use_bias=False, name="out")(layers.Flatten()(layers.Conv2D(6, 1, name="conv0")(pixels)))
    model = scrambled(keras.Model(pixels, out))
    generator = np.random.default_rng(4)
    labels = generator.integers(0, 2, 40)
    images = Images(generator.integers(0, 256, (40, 1, 1, 1), dtype=np.uint8), labels)
    work = Work(Dataset(("0", "1"), images, images, images), Pixels(1, 1, "gray"), 1, lambda event: None)
    x = images.pixels.reshape(-1, 1) / 255
    kernel, bias, dense = (np.asarray(w, dtype=np.float64) for w in model.get_weights())
    logits = (x * kernel.reshape(6) + bias) @ dense
    error = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - np.eye(2)[labels]
    score = np.abs(kernel.reshape(6) * (x * (error @ dense.T)).mean(0))
    expected = sorted(np.argsort(score)[3:].tolist())
    assert kept(slim(model, how(criterion="taylor"), work, PLAIN), model) == expected


def random_choice(seed: int) -> tuple[list[int], list[int]]:
    """What is left of two layers of 16."""
    model = chain(16, 16)
    slimmer = zero_shot(model, seed=seed, criterion="random")
    return kept(slimmer, model, "conv0"), kept(slimmer, model, "conv1")


def test_random_is_seeded_and_differs_between_layers() -> None:
    """The control: one seed chooses the same channels, another others, and each layer its own."""
    first, again, other = random_choice(1), random_choice(1), random_choice(2)
    assert first == again
    assert first != other
    assert first[0] != first[1]


def two_layers() -> keras.Model:
    """Four equal channels; then two weak and two strong ones."""
    model = chain(4, 4)
    model.get_layer("conv0").kernel.assign(np.ones((1, 1, 2, 4)))
    model.get_layer("conv1").kernel.assign(np.ones((1, 1, 4, 4)) * np.array([1.9, 0.1, 1.9, 0.1]))
    return model


def test_local_and_global_by_hand() -> None:
    """A quarter of eight: one of each layer, or overall the two that are weak."""
    local, overall = (zero_shot(two_layers(), ratio=0.25, scope=scope) for scope in ("local", "global"))
    assert list(widths(local).values()) == [3, 3, 2]
    assert list(widths(overall).values()) == [4, 2, 2]
    assert kept(overall, two_layers(), "conv1") == [0, 2]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"ratio": 0.9}, [1, 1]),  # one of eight is to stay, but each layer keeps one
        ({"ratio": 0.25, "steps": 2}, [4, 2]),
        ({"ratio": 0.25, "round_to": 2}, [4, 2]),
    ],
    ids=str,
)
def test_global_keeps_some_of_every_layer(changes: dict[str, Any], left: list[int]) -> None:
    """No layer is cut through; rounding and rounds hold here too."""
    assert list(widths(zero_shot(two_layers(), scope="global", **changes)).values())[:-1] == left


def told(model: keras.Model, data: Dataset, settings: Slim, lesson: Lesson = PLAIN) -> tuple[keras.Model, list[Event]]:
    """The slimmer model and what was told."""
    events: list[Event] = []
    return slim(model, settings, Work(data, GRAY8, 1, events.append), lesson), events


@pytest.mark.slow
def test_rounds_train_in_between(trained: keras.Model, digits: Dataset) -> None:
    """Two rounds of two epochs are four; what comes out is trained and half as wide, the input left as it was."""
    before = trained.get_weights()
    slimmer, events = told(trained, digits, how(epochs=2, steps=2, batch_size=64, learning_rate=1e-3))
    accuracies = [event.held_out_accuracy for event in events if isinstance(event, EpochEnded)]
    assert len(accuracies) == 4
    assert list(widths(slimmer).values()) == [8, 16, 16, 10]
    assert accuracies[-1] > 0.8
    assert all(np.array_equal(a, b) for a, b in zip(trained.get_weights(), before, strict=True))


def test_a_teacher_may_help(trained: keras.Model, digits: Dataset) -> None:
    """With alpha = 1 the labels do not count: with all of them wrong the pupil still comes near its teacher."""
    wrong = Images(digits.train.pixels, (digits.train.labels + 1) % 10)
    data = Dataset(digits.labels, wrong, digits.held_out, digits.test)
    _, events = told(
        trained, data, how(ratio=0.2, epochs=2, batch_size=64, learning_rate=1e-3), Lesson(copied(trained), alpha=1.0)
    )
    last = events[-1]
    assert isinstance(last, EpochEnded)
    assert last.held_out_accuracy > 0.8
    assert last.accuracy < 0.1


@pytest.mark.parametrize(
    ("changes", "taken"),
    [({}, True), ({"reestimate": False}, False), ({"epochs": 0}, False), ({"epochs": 0, "reestimate": True}, True)],
    ids=str,
)
def test_when_statistics_are_taken_anew(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], taken: bool
) -> None:
    """After a cut that training follows, not where no data may be touched, or as the recipe says."""
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr("bramble.compress.slim.reestimate", lambda model, pictures, pixels: seen.append(pictures.shape))
    told(digits_cnn.build((8, 8, 1), 10), digits, how(**({"epochs": 1, "batch_size": 512} | changes)))
    assert seen == [(len(digits.train), 8, 8, 1)] * taken


@pytest.mark.parametrize(
    ("model", "changes", "said"),
    [
        (chain(4), {"criterion": "bn"}, r'criterion = "bn" needs batch normalization'),
        (chain(4), {"ratio": 0.1}, "no channel can be removed"),  # 3.6 is rounded to 4
        (chain(4), {"ratio": 0.5, "round_to": 8, "scope": "global"}, "no channel can be removed"),
        (chain(), {}, "no channel can be removed"),
    ],
)
def test_what_cannot_be_done_is_a_recipe_error(model: keras.Model, changes: dict[str, Any], said: str) -> None:
    """A criterion without what it reads, and a slimming that removes nothing, stop with advice."""
    with pytest.raises(RecipeError, match=said) as caught:
        zero_shot(model, **changes)
    assert caught.value.hint


def test_what_cannot_be_traced_is_incompatible() -> None:
    """A model inside the model is refused before any work."""
    pixels = keras.Input((2, 2, 2))
    with pytest.raises(IncompatibleError, match="holds the model chain"):
        zero_shot(keras.Model(pixels, layers.Dense(2)(chain(3)(pixels))))


def test_dropout_of_the_recipe_is_set() -> None:
    """The slimmer model drops by the recipe's rate; a model without such layers is refused."""
    slimmer = zero_shot(digits_cnn.build((8, 8, 1), 10), dropout=0.4)
    assert [layer.rate for layer in slimmer.layers if isinstance(layer, layers.Dropout)] == [0.4]
    with pytest.raises(UsageError, match="has no Dropout layer"):
        zero_shot(chain(4), dropout=0.4)


def test_kept_weights_are_the_models_own(trained: keras.Model) -> None:
    """Zero-shot: what stays has the very weights it had, by length of the filters, in plain numpy."""
    slimmer = zero_shot(trained)
    big: NDArray[np.float32] = trained.layers[1].get_weights()[0]
    order = np.argsort(np.sqrt((big.astype(np.float64) ** 2).sum((0, 1, 2))))
    stays = np.sort(order[8:])
    assert np.array_equal(slimmer.layers[1].get_weights()[0], big[..., stays])
    assert np.array_equal(slimmer.layers[1].get_weights()[1], trained.layers[1].get_weights()[1][stays])
