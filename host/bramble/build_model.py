"""Where a recipe's model begins: a builder function, ours or the user's, or a Keras file."""

from __future__ import annotations

import importlib
from pathlib import Path

import keras

from bramble.errors import RecipeError
from bramble.origin import builder_parts
from bramble.recipe import Model


def build_model(how: Model, folder: Path, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The untrained (or pretrained) model of a recipe that lies in ``folder``.

    Raises RecipeError where it cannot be made or does not take the data's pictures.
    """
    model = load_model(folder / how.keras) if how.keras else _from_function(str(how.build), input_shape, classes)
    takes, gives = tuple(model.input_shape), tuple(model.output_shape)
    if takes[1:] != input_shape or gives != (None, classes):
        raise RecipeError(
            f"the model takes {takes} and gives {gives}; the data has pictures {input_shape} of {classes} classes",
            "change [data] size or color, or the model",
        )
    return model


def _from_function(build: str, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    module, function = builder_parts(build)
    builder = getattr(importlib.import_module(module), function, None)
    if builder is None:
        raise RecipeError(f"model.build: {module} has no function {function}")
    model = builder(input_shape, classes)
    if not isinstance(model, keras.Model):
        raise RecipeError(f"model.build: {build} gave a {type(model).__name__}, not a Keras model")
    return model


def load_model(path: Path) -> keras.Model:
    """A Keras model from a .keras or .h5 file. Raises RecipeError where it does not load."""
    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise RecipeError(f"{path} does not load: {error}", "save it again with this Keras") from error


def set_seed(seed: int) -> None:
    """Seed Python's, numpy's and the backend's random numbers."""
    keras.utils.set_random_seed(seed)
