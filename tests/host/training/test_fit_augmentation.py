"""Random changes to training pictures: off by default, in training only, within what the recipe allows."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.datasets.types import Dataset
from bramble.events import EpochEnded, Event
from bramble.recipe import Train
from bramble.training.fit import fit
from bramble.training.front import augmentation
from bramble.tuning import Augment
from bramble.work import Work
from bramble_agent.wire import Pixels

from ..conftest import GRAY8

SWITCHES = [{"shift": 2}, {"rotate": 30}, {"zoom": 0.3}, {"contrast": 0.5}, {"flip": True}]


def applied(pictures: NDArray[np.float32], training: bool, **switches: object) -> NDArray[np.float32]:
    """Pictures of 8 x 8 through the augmentation that the switches ask for."""
    keras.utils.set_random_seed(1)
    for layer in augmentation(Augment.model_validate(switches), GRAY8):
        pictures = layer(pictures, training=training)
    return np.asarray(pictures)


def real(digits: Dataset, count: int = 32) -> NDArray[np.float32]:
    """Real digits in [0, 1]."""
    return (digits.train.pixels[:count] / 255.0).astype(np.float32)


def test_off_by_default() -> None:
    """A recipe that does not ask for it gets no layer at all."""
    assert augmentation(Augment(), GRAY8) == []


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_changes_training_pictures_only(digits: Dataset, switch: dict[str, object]) -> None:
    """Each switch is one layer that changes pictures in training and leaves them alone otherwise."""
    pictures = real(digits)
    assert len(augmentation(Augment.model_validate(switch), GRAY8)) == 1
    assert np.array_equal(applied(pictures, training=False, **switch), pictures)
    assert not np.array_equal(applied(pictures, training=True, **switch), pictures)


def test_flip_mirrors_left_and_right(digits: Dataset) -> None:
    """Every picture is itself or its mirror image, and both occur."""
    pictures = real(digits)
    changed = applied(pictures, training=True, flip=True)
    same = [np.array_equal(a, b) for a, b in zip(changed, pictures, strict=True)]
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(changed, pictures, strict=True)]
    assert all(a or b for a, b in zip(same, mirrored, strict=True))
    assert any(same)
    assert any(mirrored)


def test_shift_stays_within_its_pixels() -> None:
    """A bright dot in the middle moves by at most two pixels each way, by some amount, and stays as bright."""
    pictures = np.zeros((200, 8, 8, 1), np.float32)
    pictures[:, 4, 4] = 1.0
    changed = applied(pictures, training=True, shift=2)[..., 0]
    assert np.allclose(changed.sum(axis=(1, 2)), 1.0, atol=1e-4)
    moved = np.stack([(changed * grid).sum(axis=(1, 2)) - 4 for grid in np.mgrid[0:8, 0:8]])
    assert 1.5 < np.abs(moved).max() <= 2 + 1e-4
    assert moved.min() < -1
    assert moved.max() > 1


def test_contrast_stays_within_the_models_range(digits: Dataset) -> None:
    """Pictures keep the real values that the model knows, also where its range is −1..1."""
    pixels = Pixels(8, 8, "gray", -1.0, 1.0)
    (layer,) = augmentation(Augment(contrast=0.9), pixels)
    changed = np.asarray(layer(real(digits) * 2 - 1, training=True))
    assert -1.0 <= changed.min() < -0.9
    assert 0.9 < changed.max() <= 1.0


def readout(digits: Dataset) -> list[NDArray[np.float32]]:
    """Kernel and bias of the nearest mean picture: 2·x·m − m·m is largest for the nearest mean m."""
    means = [digits.train.pixels[digits.train.labels == n].reshape(-1, 64).mean(0) / 255 for n in range(10)]
    return [np.stack(means, axis=1) * 2, -np.array([mean @ mean for mean in means])]


def test_held_out_pictures_are_not_augmented(digits: Dataset) -> None:
    """The held-out accuracy told is that of the model on the pictures as they are."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((8, 8, 1))
    model = keras.Model(pixels, keras.layers.Dense(10)(keras.layers.Flatten()(pixels)))
    told: list[Event] = []
    wild = Augment(shift=3, rotate=90, zoom=0.5, contrast=0.5, flip=True)
    settings = Train(do="train", epochs=1, learning_rate=1e-9, schedule="constant", augment=wild)
    model.set_weights(readout(digits))
    fit(model, settings, Work(digits, GRAY8, 1, told.append))
    kernel, bias = model.get_weights()
    right = 0
    for picture, label in zip(digits.held_out.pixels, digits.held_out.labels, strict=True):
        right += int(np.argmax(picture.reshape(64) / 255.0 @ kernel + bias) == label)
    ended = told[-1]
    assert isinstance(ended, EpochEnded)
    assert ended.held_out_accuracy == pytest.approx(right / len(digits.held_out), abs=1e-6)
    assert ended.held_out_accuracy > 0.8 > ended.accuracy
