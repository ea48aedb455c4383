"""Knowledge distillation: learn from a teacher's softened answers (Hinton, Vinyals, Dean 2015, 1503.02531).

    loss = alpha · T² · KL(softmax(teacher/T) ‖ softmax(student/T)) + (1 − alpha) · cross-entropy

With hints, the mean squared difference of chosen activations is added (FitNets, Romero et al. 2015, 1412.6550); with
attention, that of the normalised maps of channel-wise squares (Zagoruyko & Komodakis 2017, 1612.03928). Layers of a
pair must agree in shape: for attention in height and width alone.
"""

from __future__ import annotations

import keras

from bramble.fit import Lesson, fit, with_dropout
from bramble.recipe import Distill
from bramble.work import Work


def distill(model: keras.Model, how: Distill, work: Work, lesson: Lesson) -> keras.Model:
    """Train ``model`` by the teacher of ``lesson``; the result is the model, or a copy if the recipe sets its dropout.

    Raises RecipeError where a hint names a layer that is not there or shapes differ, TrainingDiverged.
    """
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    fit(model, how, work, lesson)
    return model
