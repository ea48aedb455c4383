"""Knowledge distillation: learn from a teacher's softened answers (Hinton, Vinyals, Dean 2015, 1503.02531).

    loss = alpha · T² · KL(softmax(teacher/T) ‖ softmax(student/T)) + (1 − alpha) · cross-entropy

With hints, the mean squared difference of chosen activations is added (FitNets, Romero et al. 2015, 1412.6550); with
attention, that of the normalised maps of channel-wise squares (Zagoruyko & Komodakis 2017, 1612.03928). Layers of a
pair must agree in shape: for attention in height and width alone.

With teacher = "self" a model learns from what it was before the stage (self-distillation; Zhang et al. 2019,
1905.08094), with ``fresh`` from new random weights on: a born-again network (Furlanello et al. 2018, 1805.04770).

Not built on keras.distillation.Distiller (Keras 3.15): its loss leaves out the penalties on weights (l1, l2 and
hanson_pratt), and for hints it runs the student a second time, with other dropout.
"""

from __future__ import annotations

import zlib

import keras

from bramble.graph.copying import copy_adapted
from bramble.recipe import Distill
from bramble.training.dropout import with_dropout
from bramble.training.fit import fit
from bramble.training.lesson import Lesson
from bramble.work import Work


def distill(model: keras.Model, how: Distill, work: Work, lesson: Lesson) -> keras.Model:
    """Train ``model`` by the teacher of ``lesson``; the result is the model, or a copy with other dropout or weights.

    Raises RecipeError where a hint names a layer that is not there or shapes differ, TrainingDiverged.
    """
    if how.fresh:
        model = _born_again(model, work.seed)
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    fit(model, how, work, lesson)
    return model


def _born_again(model: keras.Model, seed: int) -> keras.Model:
    """The same layers with new random weights, and other ones in each generation: the old weights decide them too.

    What Normalization layers were adapted to stays: it is of the data, and training does not bring it back.
    """
    old = b"".join(weight.tobytes() for weight in model.get_weights())
    keras.utils.set_random_seed((seed + zlib.crc32(old)) % 2**32)
    new = keras.models.clone_model(model)
    copy_adapted(model, new)
    return new
