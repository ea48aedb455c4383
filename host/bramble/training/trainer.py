"""The model as it is trained: with what stands before it, and the teacher beside it."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from bramble.datasets.types import Dataset
from bramble.errors import RecipeError
from bramble.training.front import front
from bramble.training.lesson import Lesson
from bramble.training.losses import attention_map, soft_loss, square_gap
from bramble.training.shift import Shift
from bramble.training.softmax import logits
from bramble.tuning import Augment
from bramble_agent.wire import Pixels


def trainer_of(model: keras.Model, augment: Augment, pixels: Pixels, lesson: Lesson) -> keras.Model:
    """The model as it is trained by that lesson, on what ``given`` makes of the data."""
    if lesson.answers is not None:
        return Reader(model, Shift(augment.shift), front(Augment(), pixels), lesson)
    return Trainer(front(augment, pixels), model, lesson)


def given(data: Dataset, lesson: Lesson) -> tuple[Any, Any]:
    """What a trainer sees of training and held-out pictures: with a teacher's answers, which rows are a picture's."""
    if lesson.answers is None:
        return data.train.pixels, data.held_out.pixels
    variants = (len(lesson.answers) - len(data.held_out)) // len(data.train)
    rows = np.arange(len(data.train), dtype=np.int32) * variants
    last = np.arange(len(data.held_out), dtype=np.int32) + len(data.train) * variants
    return {"pictures": data.train.pixels, "rows": rows}, {"pictures": data.held_out.pixels, "rows": last}


class Reader(keras.Model):  # type: ignore[misc]
    """The model beside the answers of its teacher: a picture is moved, and the answer to that variant is looked up."""

    def __init__(self, model: keras.Model, shift: Shift, real: keras.Model, lesson: Lesson) -> None:
        super().__init__()
        self.model, self.shift, self.real, self.lesson = model, shift, real, lesson
        self.answers = keras.Variable(lesson.answers, trainable=False, name="answers")

    def call(self, seen: dict[str, Any], training: bool = False) -> Any:
        """The model's answer; the teacher's share of the loss is added, on held-out pictures too."""
        pictures, rows = self.real(seen["pictures"]), seen["rows"]
        if training:
            variants = self.shift.drawn(pictures)
            pictures, rows = self.shift.moved(pictures, variants), rows + variants
        answer = self.model(pictures, training=training)
        told = keras.ops.take(self.answers, rows, axis=0)
        self.add_loss(self.lesson.alpha * soft_loss(logits(self.model, answer), told, self.lesson.temperature))
        return answer


class Trainer(keras.Model):  # type: ignore[misc]
    """The model with its front, and its teacher who sees the very same augmented pictures."""

    def __init__(self, before: keras.Model, model: keras.Model, lesson: Lesson) -> None:
        super().__init__()
        self.before, self.model, self.lesson = before, model, lesson
        pairs = (*lesson.hints, *lesson.attention)
        if lesson.teacher is not None:
            self.student_taps = tap(model, [mine for mine, _ in pairs])
            taps = tap(lesson.teacher, [theirs for _, theirs in pairs])
            self.ask_teacher = partial(taps, training=False)  # a partial, so that Keras does not train it too
            _demand_one_shape(self.student_taps, taps, lesson)

    def call(self, pictures: Any, training: bool = False) -> Any:
        """The model's answer; the teacher's share of the loss is added, on held-out pictures too."""
        seen, lesson = self.before(pictures, training=training), self.lesson
        if lesson.teacher is None:
            return self.model(seen, training=training)
        answer, *mine = _as_list(self.student_taps(seen, training=training))
        told, *theirs = _as_list(self.ask_teacher(seen))
        soft = soft_loss(logits(self.model, answer), logits(lesson.teacher, told), lesson.temperature)
        self.add_loss(lesson.alpha * soft)
        for number, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            gap = square_gap(a, b) if number < len(lesson.hints) else square_gap(attention_map(a), attention_map(b))
            self.add_loss(lesson.hint_weight * gap)
        return answer


def tap(model: keras.Model, names: list[str]) -> keras.Model:
    """The model with the outputs of the named layers after its own. Raises RecipeError for a name it does not have."""
    known = {layer.name: layer for layer in model.layers}
    missing = [name for name in names if name not in known]
    if missing:
        raise RecipeError(f"{model.name} has no layer {missing[0]!r}", f"its layers: {', '.join(known)}")
    return keras.Model(model.inputs[0], [model.outputs[0], *(known[name].output for name in names)])


def _demand_one_shape(student: keras.Model, teacher: keras.Model, lesson: Lesson) -> None:
    """Raise RecipeError where the layers of a hint, or the pictures of an attention map, differ in shape."""
    for number, pair in enumerate((*lesson.hints, *lesson.attention)):
        end = None if number < len(lesson.hints) else -1
        mine, theirs = (tuple(taps.outputs[number + 1].shape[1:end]) for taps in (student, teacher))
        if mine != theirs:
            said = f"{pair[0]} = {pair[1]}: layers of different shapes, {mine} and {theirs}"
            raise RecipeError(said, "choose layers of one shape")


def _as_list(outputs: Any) -> list[Any]:
    """A model's outputs as a list: Keras gives a lone one bare."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]
