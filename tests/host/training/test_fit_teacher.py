"""What a teacher adds to the loss, against numpy; and that it only speaks: it never learns."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.datasets.types import Dataset, Images
from bramble.errors import RecipeError
from bramble.events import EpochEnded, Event
from bramble.recipe import Train
from bramble.training.fit import fit
from bramble.training.lesson import PLAIN, Lesson
from bramble.training.losses import attention_map, soft_loss, square_gap
from bramble.training.softmax import logits
from bramble.training.trainer import tap
from bramble.tuning import Augment
from bramble.work import Work
from bramble_agent.wire import Pixels

from ..nets import copied, scrambled

SMALL = Pixels(4, 4, "gray")
Weights = list[NDArray[np.float32]]


def pictures(count: int = 24, seed: int = 3) -> Dataset:
    """Noise of 4 x 4 with labels of three classes; the held-out part is the same pictures."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)
    images = Images(pixels, generator.integers(0, 3, count))
    return Dataset(("0", "1", "2"), images, images, images)


def net(width: int, seed: int, softmax: bool = False, name: str = "net") -> keras.Model:
    """4 x 4 → conv of this width "look" → dense 5 "think" → 3; all the weights random."""
    inputs = keras.Input((4, 4, 1))
    x = layers.Conv2D(width, 3, activation="relu", name="look")(inputs)
    x = layers.Dense(5, activation="relu", name="think")(layers.Flatten()(x))
    out = layers.Dense(3, activation="softmax" if softmax else None, name="out")(x)
    return scrambled(keras.Model(inputs, out, name=name), seed)


def how(**changes: object) -> Train:
    """One step on all pictures, at a constant rate."""
    return Train.model_validate({"do": "train", "epochs": 1, "batch_size": 24, "schedule": "constant"} | changes)


def run(model: keras.Model, lesson: Lesson, data: Dataset, settings: Train) -> EpochEnded:
    """Train and give the last epoch's figures."""
    keras.utils.set_random_seed(1)
    told: list[Event] = []
    fit(model, settings, Work(data, SMALL, 1, told.append), lesson)
    last = told[-1]
    assert isinstance(last, EpochEnded)
    return last


def outputs(model: keras.Model, data: Dataset, layer: str = "out") -> NDArray[np.float64]:
    """What a layer gives for the training pictures."""
    part = keras.Model(model.input, model.get_layer(layer).output)
    return np.asarray(part((data.train.pixels / 255).astype(np.float32)), dtype=np.float64)


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row by row."""
    return np.asarray(np.exp(x) / np.exp(x).sum(-1, keepdims=True))


def soft_by_hand(student: NDArray[np.float64], teacher: NDArray[np.float64], temperature: float) -> float:
    """T²·Σ p·log(p/q), mean over rows."""
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return float(temperature**2 * np.mean(np.sum(p * np.log(p / q), axis=1)))


def cross_entropy(answers: NDArray[np.float64], data: Dataset) -> float:
    """Mean −log softmax[label]."""
    return float(-np.mean(np.log(softmax(answers)[np.arange(len(data.train)), data.train.labels])))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_soft_loss_by_numpy(temperature: float) -> None:
    """T²·KL(teacher ‖ student) of softened answers, which is not symmetric; nothing for equal answers."""
    generator = np.random.default_rng(1)
    student, teacher = generator.normal(0, 3, (7, 5)), generator.normal(0, 3, (7, 5))
    expected = soft_by_hand(student, teacher, temperature)
    assert float(soft_loss(student, teacher, temperature)) == pytest.approx(expected, rel=1e-5)
    assert float(soft_loss(teacher, student, temperature)) != pytest.approx(expected, rel=1e-2)
    assert float(soft_loss(teacher + 2.0, teacher, temperature)) == pytest.approx(0.0, abs=1e-6)


def test_logits_of_a_softmax_are_its_logarithm() -> None:
    """Logits go through; a softmax's logarithm differs from its logits by one number a row."""
    data = pictures()
    plain, ending = net(2, 5), net(2, 5, softmax=True)
    raw, probabilities = outputs(plain, data), outputs(ending, data)
    assert np.array_equal(logits(plain, raw), raw)
    gap = np.asarray(logits(ending, probabilities)) - raw
    assert np.allclose(gap, gap[:, :1], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("mine", "theirs"), [(False, False), (True, False), (False, True)])
def test_loss_by_numpy(mine: bool, theirs: bool) -> None:
    """alpha·T²·KL + (1 − alpha)·cross-entropy + the penalty once, whichever of the two ends in a softmax."""
    data = pictures()
    student, teacher = net(2, 5, softmax=mine), net(3, 6, softmax=theirs)
    own, told = outputs(net(2, 5), data), outputs(net(3, 6), data)
    penalty = 0.01 * sum(float(np.sum(w.astype(np.float64) ** 2)) for w in student.get_weights() if w.ndim > 1)
    expected = 0.7 * soft_by_hand(own, told, 3.0) + 0.3 * cross_entropy(own, data) + penalty
    found = run(student, Lesson(teacher, temperature=3.0, alpha=0.7), data, how(l2=0.01))
    assert found.loss == pytest.approx(expected, rel=1e-3)


def trained(model: keras.Model, lesson: Lesson, data: Dataset) -> Weights:
    """Weights of a copy after three epochs."""
    copy = copied(model)
    run(copy, lesson, data, how(epochs=3, batch_size=8, learning_rate=0.01))
    return list(copy.get_weights())


@pytest.mark.slow
def test_alpha_of_one_ignores_the_labels() -> None:
    """Shuffled labels give the same weights; for any other alpha they do not."""
    data = pictures()
    other = Images(data.train.pixels, data.train.labels[::-1])
    shuffled = Dataset(data.labels, other, other, other)
    student, teacher = net(2, 5), net(3, 6)
    for alpha, same in ((1.0, True), (0.9, False)):
        first, second = (trained(student, Lesson(teacher, alpha=alpha), one) for one in (data, shuffled))
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)) == same


@pytest.mark.slow
def test_alpha_of_zero_is_plain_training() -> None:
    """A teacher that has no share changes nothing; one with a share does."""
    data, student = pictures(), net(2, 5)
    plain = trained(student, PLAIN, data)
    for alpha, same in ((0.0, True), (0.5, False)):
        found = trained(student, Lesson(net(3, 6), alpha=alpha), data)
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(plain, found, strict=True)) == same


@pytest.mark.slow
def test_teacher_sees_the_very_pictures_that_the_student_sees() -> None:
    """Under wild augmentation a pupil that equals its teacher has no loss at all and stays as it is."""
    data, teacher = pictures(), net(2, 5)
    student = copied(teacher)
    wild = Augment(shift=2, rotate=90, zoom=0.5, contrast=0.5, flip=True)
    ended = run(student, Lesson(teacher, alpha=1.0, hints=(("look", "look"),)), data, how(augment=wild.model_dump()))
    assert ended.loss == pytest.approx(0.0, abs=1e-6)
    assert run(copied(teacher), PLAIN, data, how(augment=wild.model_dump())).loss > 0.1


def test_teacher_is_not_changed() -> None:
    """Neither its weights nor the statistics of its batch norm move, nor is it frozen; the student's move."""
    inputs = keras.Input((4, 4, 1))
    x = layers.Dropout(0.5)(layers.BatchNormalization()(layers.Conv2D(3, 3)(inputs)))
    teacher = scrambled(keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x))))
    student = copied(teacher)
    before = teacher.get_weights()
    run(student, Lesson(teacher, alpha=0.5), pictures(), how(epochs=2, learning_rate=0.01))
    assert all(np.array_equal(a, b) for a, b in zip(before, teacher.get_weights(), strict=True))
    assert len(teacher.trainable_weights) == 6
    assert not any(np.array_equal(a, b) for a, b in zip(before, student.get_weights(), strict=True))


def test_teacher_answers_as_when_it_is_used() -> None:
    """Its dropout is off and its batch norm uses what it learned: the loss is that of its plain answers."""
    inputs = keras.Input((4, 4, 1))
    x = layers.Dropout(0.9)(layers.BatchNormalization()(layers.Conv2D(3, 3)(inputs)))
    out = layers.Dense(3, name="out")(layers.Flatten()(x))
    teacher, student, data = scrambled(keras.Model(inputs, out)), net(2, 5), pictures()
    expected = soft_by_hand(outputs(student, data), outputs(teacher, data), 4.0)
    assert run(student, Lesson(teacher, alpha=1.0), data, how()).loss == pytest.approx(expected, rel=1e-4)


def test_attention_map_by_hand() -> None:
    """Means of squares over channels (2.5, 0, 0, 12.5) over their length √162.5."""
    activation = np.array([[[[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 4.0]]]])
    found = np.asarray(attention_map(keras.ops.convert_to_tensor(activation)))
    assert found == pytest.approx(np.array([[2.5, 0.0, 0.0, 12.5]]) / np.sqrt(2.5**2 + 12.5**2), abs=1e-6)


def test_square_gap_by_hand() -> None:
    """(1 + 0 + 4 + 9) / 4."""
    assert float(square_gap(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [1.0, 1.0]]))) == 3.5


def by_map(activation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Attention maps, in loops."""
    rows = []
    for one in activation:
        flat = [float(np.mean(one[i, j] ** 2)) for i in range(one.shape[0]) for j in range(one.shape[1])]
        rows.append([value / np.sqrt(sum(v * v for v in flat)) for value in flat])
    return np.array(rows)


def test_hints_and_attention_by_numpy() -> None:
    """With alpha = 0: cross-entropy + weight · (gap of "think" + gap of the maps of "look", 2 and 3 channels)."""
    data, student, teacher = pictures(), net(2, 5), net(3, 6)
    hint = np.mean((outputs(student, data, "think") - outputs(teacher, data, "think")) ** 2)
    maps = np.mean((by_map(outputs(student, data, "look")) - by_map(outputs(teacher, data, "look"))) ** 2)
    expected = cross_entropy(outputs(student, data), data) + 0.25 * (hint + maps)
    lesson = Lesson(teacher, alpha=0.0, hints=(("think", "think"),), attention=(("look", "look"),), hint_weight=0.25)
    assert run(student, lesson, data, how()).loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_hints_draw_activations_together() -> None:
    """Trained by a hint alone, the gap of the layers falls below a fifth."""
    data, student, teacher = pictures(), net(2, 5), net(3, 6)

    def gap() -> float:
        return float(np.mean((outputs(student, data, "think") - outputs(teacher, data, "think")) ** 2))

    before = gap()
    run(
        student,
        Lesson(teacher, alpha=0.0, hints=(("think", "think"),), hint_weight=100.0),
        data,
        how(epochs=15, batch_size=4, learning_rate=0.02),
    )
    assert gap() < before / 5


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ({"hints": (("look", "look"),)}, r"look = look: layers of different shapes, \(2, 2, 2\) and \(2, 2, 3\)"),
        ({"hints": (("think", "out"),)}, r"think = out: layers of different shapes, \(5,\) and \(3,\)"),
        ({"attention": (("look", "net_input"),)}, r"look = net_input: .*, \(2, 2\) and \(4, 4\)"),
        ({"hints": (("lok", "look"),)}, "pupil has no layer 'lok'"),
        ({"attention": (("look", "lok"),)}, "master has no layer 'lok'"),
    ],
    ids=str,
)
def test_pairs_that_do_not_fit_are_recipe_errors(pairs: dict[str, tuple[tuple[str, str]]], said: str) -> None:
    """Different shapes and unknown layers are told before training, in one line, with advice."""
    student, teacher = net(2, 5, name="pupil"), net(3, 6, name="master")
    teacher.layers[0].name = "net_input"
    with pytest.raises(RecipeError, match=said) as caught:
        run(student, Lesson(teacher, **pairs), pictures(), how())  # type: ignore[arg-type]
    assert "\n" not in caught.value.message
    assert caught.value.hint.startswith(("choose layers of one shape", "its layers: "))


def test_a_tap_adds_outputs() -> None:
    """The model's answer first, then the named layers' in the order asked for."""
    data, model = pictures(), net(2, 5)
    found = tap(model, ["think", "look"])((data.train.pixels / 255).astype(np.float32))
    for got, name in zip(found, ("out", "think", "look"), strict=True):
        assert np.allclose(got, outputs(model, data, name), atol=1e-6)


def test_a_sequential_model_may_teach_and_learn() -> None:
    """It has no graph of its own until it is called; that it ends in its last layer is enough."""
    line = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3, name="out")])
    data = pictures()
    answers = np.asarray(copied(line)((data.train.pixels / 255).astype(np.float32)), dtype=np.float64)
    expected = soft_by_hand(answers, outputs(net(3, 6), data), 4.0)
    copy = copied(line)
    assert run(line, Lesson(net(3, 6), alpha=1.0), data, how()).loss == pytest.approx(expected, rel=1e-4)
    assert run(net(2, 5), Lesson(copy), data, how()).loss > 0


@pytest.mark.slow
def test_early_stopping_hears_the_teacher() -> None:
    """With alpha = 1 the held-out loss is the teacher's: while it falls, patience is not used up."""
    data, student = pictures(), net(2, 5)
    told: list[Event] = []
    settings = how(epochs=10, patience=1, learning_rate=1e-3)
    fit(student, settings, Work(data, SMALL, 1, told.append), Lesson(net(3, 6), alpha=1.0))
    losses = [event.loss for event in told if isinstance(event, EpochEnded)]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == 10
