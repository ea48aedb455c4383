"""Training for the stages that leave shared values: which layers they are about, their values held while they learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from bramble.errors import RecipeError
from bramble.events import Note
from bramble.held.masks import prunable
from bramble.held.sharing import Groups, shared_groups, sharing
from bramble.held.zeros import alive
from bramble.training.fit import fit
from bramble.training.lesson import Lesson
from bramble.tuning import Taught
from bramble.work import Work


def fit_shared(model: keras.Model, groups: Mapping[str, Groups], how: Taught, work: Work, lesson: Lesson) -> None:
    """Train ``model`` in place with these layers' values shared; other layers keep what they share already."""
    held = shared_groups(prunable(model)) if how.keep_shared else {}
    with sharing(model, {**held, **groups}):
        fit(model, how.model_copy(update={"keep_shared": False}), work, lesson)


def demand_named(layers: Iterable[keras.Layer], names: Iterable[str], do: str) -> None:
    """Raise RecipeError for a name that none of these layers has."""
    known = [layer.name for layer in layers]
    for name in names:
        if name not in known:
            raise RecipeError(f"{do}: the model has no layer {name!r} to {do}", f"its layers: {', '.join(known)}")


def tell_zeros_lost(model: keras.Model, names: Iterable[str], do: str, work: Work) -> None:
    """Warn of the zeros of an earlier prune that these layers lose."""
    layers = prunable(model)
    lost = [one.name for one, mask in zip(layers, alive(layers), strict=True) if one.name in names and not mask.all()]
    if lost:
        said = f"{do}: an earlier prune left zeros in {', '.join(lost)}; shared weights have none"
        work.on_event(Note(said, warning=True))


def told(groups: Mapping[str, Groups]) -> str:
    """How many values stand for how many weights, layer by layer."""
    return ", ".join(f"{name} {g.count:,} for {int(np.sum(g.members())):,}" for name, g in groups.items())
