"""Where a recipe's model begins: a builder function, ours or the user's, or a Keras file."""

from __future__ import annotations

import importlib
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from bramble.errors import RecipeError
from bramble.old_configs import old_layers
from bramble.origin import builder_parts
from bramble.recipe import Model


def build_model(how: Model, folder: Path, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The untrained (or pretrained) model of a recipe that lies in ``folder``.

    Raises RecipeError where it cannot be made or does not take the data's pictures.
    """
    model = load_model(folder / how.keras) if how.keras else _from_function(str(how.build), input_shape, classes)
    try:
        takes, gives = tuple(model.input_shape), tuple(model.output_shape)
    except (AttributeError, ValueError) as error:
        raise RecipeError(
            f"the model {model.name} has no shapes yet", "begin it with keras.Input(input_shape)"
        ) from error
    if takes[1:] != input_shape or gives != (None, classes):
        raise RecipeError(
            f"the model takes {takes} and gives {gives}; the data has pictures {input_shape} of {classes} classes",
            "change [data] size or color, or the model",
        )
    return model


def _from_function(build: str, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    module, function = builder_parts(build)
    builder = getattr(_theirs(build, lambda: importlib.import_module(module)), function, None)
    if not callable(builder):
        raise RecipeError(f"model.build: {module} has no function {function}")
    model = _theirs(build, lambda: builder(input_shape, classes))
    if not isinstance(model, keras.Model):
        raise RecipeError(f"model.build: {build} gave a {type(model).__name__}, not a Keras model")
    return model


def _theirs(build: str, work: Callable[[], Any]) -> Any:
    """Run code that the user wrote; whatever it raises becomes a RecipeError with its place."""
    try:
        return work()
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise RecipeError(
            f"model.build: {build} failed: {type(error).__name__}: {error}",
            f"it was raised at {last.filename}:{last.lineno}",
        ) from error


def load_model(path: Path) -> keras.Model:
    """A Keras model from a .keras or .h5 file, of Keras 2 too. Raises RecipeError where it does not load."""
    try:
        return keras.models.load_model(path, custom_objects=old_layers(), compile=False)
    except (ValueError, OSError, TypeError, KeyError, zipfile.BadZipFile) as error:
        said = str(error).rpartition("Exception encountered: ")[2]  # the last of Keras' pages is what went wrong
        raise RecipeError(f"{path} does not load: {said}", "save it again with this Keras") from error


def set_seed(seed: int) -> None:
    """Seed Python's, numpy's and the backend's random numbers, and let Keras number its names from the start.

    Names end up in the .tflite: without that, what ran before in this process would show in a bundle's digest.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
