"""A teacher that is asked once says what it would say at every step."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.datasets.types import Dataset, Images
from bramble.events import EpochEnded, Event
from bramble.recipe import Train
from bramble.training import answers
from bramble.training.answers import ask, variants
from bramble.training.fit import fit
from bramble.training.lesson import Lesson
from bramble.tuning import Augment
from bramble.work import Work
from bramble_agent.wire import Pixels

from ..nets import scrambled

SIZE = Pixels(4, 5, "gray", -1.0, 1.0)


def pictures(count: int, seed: int) -> Images:
    """Noise of 4 x 5 with labels of three classes."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (count, 4, 5, 1), dtype=np.uint8)
    return Images(pixels, generator.integers(0, 3, count))


DATA = Dataset(("0", "1", "2"), pictures(24, 1), pictures(7, 2), pictures(5, 3))


def net(seed: int, softmax: bool = False) -> keras.Model:
    """4 x 5 → conv → 3, with dropout that only a model in training may use; random weights."""
    inputs = keras.Input((4, 5, 1))
    x = layers.Dropout(0.5)(layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(inputs)))
    return scrambled(keras.Model(inputs, layers.Dense(3, activation="softmax" if softmax else None)(x)), seed)


def real(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels as the model has them."""
    return (pixels / 127.5 - 1.0).astype(np.float32)


@pytest.mark.parametrize("softmax", [False, True])
def test_rows_are_pictures_times_variants(softmax: bool) -> None:
    """Row i·9 + v is what the teacher says of training picture i in variant v; the last ones are the held-out ones."""
    teacher, told = net(2, softmax), list[float]()
    found = ask(teacher, 1, DATA, SIZE, told.append)
    assert found.shape == (24 * 9 + 7, 3)
    assert found.dtype == np.float32
    for number in (0, 17):
        wide = np.pad(real(DATA.train.pixels[number]), ((1, 1), (1, 1), (0, 0)), "edge")
        for variant in range(9):
            down, right = variant // 3 - 1, variant % 3 - 1
            moved = wide[1 - down :, 1 - right :][:4, :5][None]
            said = np.asarray(teacher(moved, training=False))
            assert np.allclose(found[number * 9 + variant], np.log(said + 1e-7) if softmax else said, atol=1e-5)
    said = np.asarray(teacher(real(DATA.held_out.pixels), training=False))
    assert np.allclose(found[-7:], np.log(said + 1e-7) if softmax else said, atol=1e-5)
    assert told == pytest.approx([(n + 1) / 9 for n in range(9)])


def run(lesson: Lesson, shift: int) -> tuple[list[NDArray[np.float32]], EpochEnded]:
    """A student's weights and last figures after three epochs of that lesson."""
    student, told = net(5), list[Event]()
    for layer in student.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    settings = Train.model_validate(
        {"do": "train", "epochs": 3, "batch_size": 8, "learning_rate": 0.01, "augment": {"shift": shift}}
    )
    keras.utils.set_random_seed(1)
    fit(student, settings, Work(DATA, SIZE, 1, told.append), lesson)
    last = told[-1]
    assert isinstance(last, EpochEnded)
    return student.get_weights(), last


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0, 1])
def test_a_student_learns_the_same(shift: int) -> None:
    """Step for step the weights of a student whose teacher looks at every picture; its held-out loss too."""
    teacher = net(2)
    live = run(Lesson(teacher, 3.0, 0.7), shift)
    kept = run(Lesson(teacher, 3.0, 0.7, answers=ask(teacher, shift, DATA, SIZE, lambda _: None)), shift)
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(live[0], kept[0], strict=True))
    assert kept[1].loss == pytest.approx(live[1].loss, rel=1e-4)
    other = ask(net(3), shift, DATA, SIZE, lambda _: None)
    wrong = run(Lesson(teacher, 3.0, 0.7, answers=other), shift)
    assert not all(np.allclose(a, b, atol=1e-3) for a, b in zip(live[0], wrong[0], strict=True))


def test_variants_are_counted_where_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shifts alone, and not more answers than memory has room for."""
    assert [variants(Augment(shift=most), DATA) for most in (0, 1, 2)] == [1, 9, 25]
    for wild in ({"rotate": 1.0}, {"zoom": 0.1}, {"contrast": 0.1}, {"flip": True}):
        assert variants(Augment.model_validate({"shift": 1, **wild}), DATA) is None
    monkeypatch.setattr(answers, "MOST_BYTES", 4 * 3 * (24 * 9 + 7))
    assert variants(Augment(shift=1), DATA) == 9
    monkeypatch.setattr(answers, "MOST_BYTES", 4 * 3 * (24 * 9 + 7) - 1)
    assert variants(Augment(shift=1), DATA) is None
