"""Recipes on digits with models of their own, for tests of the pipeline; ``write`` of conftest puts them into files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
from keras import layers

from running import Run

OWN = """
import keras
from keras import layers


def build(shape, classes, hidden=0):
    pixels = keras.Input(shape)
    x = layers.Flatten()(pixels)
    x = layers.Dense(hidden, activation="relu")(x) if hidden else x
    return keras.Model(pixels, layers.Dense(classes)(x))


def wide(shape, classes):
    return build(shape, classes, 16)


def middle(shape, classes):
    return build(shape, classes, 8)
"""
TRAIN = 'do = "train"\nepochs = 2\nbatch_size = 64\n'
DISTILL = 'do = "distill"\nepochs = 2\nbatch_size = 64\nteacher = "{}"\n'
Write = Callable[..., Path]
END = ["quantize", "evaluate", "bundle"]


def runs_of(path: Path) -> Path:
    """Where runs go."""
    return path.parent.parent / "runs"


def names(run: Run) -> list[str]:
    """The stages that ran or were found."""
    return [name for name, _ in run.stages]


def linear(path: Path, shape: tuple[int, int, int], classes: int, seed: int) -> None:
    """A linear model's .keras file."""
    keras.utils.set_random_seed(seed)
    pixels = keras.Input(shape)
    keras.Model(pixels, layers.Dense(classes)(layers.Flatten()(pixels))).save(path)
