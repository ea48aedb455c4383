"""Distillation as a stage: it comes near its teacher, does not touch it, and refuses what does not fit."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.distill import distill
from bramble.datasets.types import Dataset, Images
from bramble.errors import RecipeError, UsageError
from bramble.recipe import Distill
from bramble.training.lesson import Lesson
from bramble_zoo import digits_cnn

from ..conftest import quiet
from ..nets import copied


def how(**changes: object) -> Distill:
    """Three epochs on the digits, with some keys changed."""
    raw = {"do": "distill", "teacher": "unread", "epochs": 3, "batch_size": 32, "learning_rate": 2e-3}
    return Distill.model_validate(raw | changes)


def student() -> keras.Model:
    """A linear model."""
    keras.utils.set_random_seed(2)
    pixels = keras.Input((8, 8, 1))
    return keras.Model(pixels, layers.Dense(10, name="out")(layers.Flatten()(pixels)), name="student")


@pytest.mark.slow
def test_student_comes_to_agree_with_its_teacher(trained: keras.Model, digits: Dataset) -> None:
    """With alpha = 1 and labels that are all wrong, answers on writers never seen become the teacher's.

    Chance is one in ten; a linear model on labels reaches about nine in ten here.
    """
    wrong = Images(digits.train.pixels, (digits.train.labels + 1) % 10)
    before = trained.get_weights()
    work = quiet(Dataset(digits.labels, wrong, digits.held_out, digits.test))
    model = student()
    taught = distill(model, how(epochs=8, learning_rate=0.01), work, Lesson(trained, alpha=1.0))
    pictures = (digits.test.pixels / 255).astype(np.float32)
    ours, theirs = (np.asarray(one(pictures, training=False)).argmax(1) for one in (taught, trained))
    assert taught is model
    assert np.mean(ours == theirs) > 0.75
    assert all(np.array_equal(a, b) for a, b in zip(before, trained.get_weights(), strict=True))


@pytest.mark.slow
def test_seed_decides_the_weights(trained: keras.Model, digits: Dataset) -> None:
    """Twice the same student, seed and teacher give the same weights to the bit, hints included."""
    data = Dataset(digits.labels, digits.train.take(np.arange(128)), digits.held_out, digits.test)
    names = [layer.name for layer in trained.layers if isinstance(layer, layers.Dense)]
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        pupil = digits_cnn.build((8, 8, 1), 10)
        own = [layer.name for layer in pupil.layers if isinstance(layer, layers.Dense)]
        lesson = Lesson(trained, hints=((own[0], names[0]),))
        found.append(distill(pupil, how(epochs=1, dropout=0.2), quiet(data), lesson).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.slow
def test_dropout_of_the_recipe_is_set(trained: keras.Model, digits: Dataset) -> None:
    """A copy with the recipe's rate learns, the model given stays as it is; without such layers it is refused."""
    data = Dataset(digits.labels, digits.train.take(np.arange(64)), digits.held_out, digits.test)
    pupil = digits_cnn.build((8, 8, 1), 10)
    before = pupil.get_weights()
    taught = distill(pupil, how(epochs=1, dropout=0.3), quiet(data), Lesson(trained))
    assert [layer.rate for layer in taught.layers if isinstance(layer, layers.Dropout)] == [0.3]
    assert all(np.array_equal(a, b) for a, b in zip(before, pupil.get_weights(), strict=True))
    assert not np.array_equal(before[0], taught.get_weights()[0])
    with pytest.raises(UsageError, match="student has no Dropout layer"):
        distill(student(), how(dropout=0.3), quiet(data), Lesson(trained))


@pytest.mark.parametrize(
    ("lesson", "said"),
    [({"hints": (("nowhere", "out"),)}, "no layer 'nowhere'"), ({"attention": (("out", "nowhere"),)}, "'nowhere'")],
)
def test_unknown_layers_stop_before_training(
    trained: keras.Model, digits: Dataset, lesson: dict[str, tuple[tuple[str, str]]], said: str
) -> None:
    """A hint to a layer that is not there lists those that are, and the student is as it was."""
    model = student()
    before = model.get_weights()
    with pytest.raises(RecipeError, match=said) as caught:
        distill(
            model,
            how(),
            quiet(digits),
            Lesson(trained, hints=lesson.get("hints", ()), attention=lesson.get("attention", ())),
        )
    assert caught.value.hint.startswith("its layers: ")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.slow
def test_born_again_begins_anew(trained: keras.Model, digits: Dataset) -> None:
    """With fresh the weights are new, of the same spread, by the seed, and other ones for another model before it."""
    data = Dataset(digits.labels, digits.train.take(np.arange(32)), digits.held_out, digits.test)

    def begun(model: keras.Model, fresh: bool) -> NDArray[np.float32]:
        settings = how(epochs=1, learning_rate=1e-12, fresh=fresh)  # steps of nothing: the weights of the beginning
        return np.asarray(distill(model, settings, quiet(data), Lesson(trained)).get_weights()[0])

    before = student().get_weights()[0]
    first, again, other = begun(student(), True), begun(student(), True), begun(copied(student()), True)
    assert np.allclose(begun(student(), False), before, atol=1e-8)
    assert np.array_equal(first, again)
    assert np.array_equal(first, other)
    changed = student()
    changed.layers[-1].bias.assign(np.ones(10))
    for one in (before, begun(changed, True)):
        assert not np.allclose(first, one, atol=1e-2)
    assert np.std(first) == pytest.approx(np.std(before), rel=0.2)
