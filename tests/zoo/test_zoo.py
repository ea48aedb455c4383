"""Every model and every recipe of the zoo: parameters as published, logits at the end, recipes that fit their data."""

from __future__ import annotations

import importlib
from importlib import resources
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest

from bramble.reading import read_recipe, zoo_recipes
from bramble.recipe import Recipe

RECIPES = sorted(Path(str(resources.files("bramble_zoo"))).glob("recipes/*.toml"))
SHAPES = {"digits": (8, 8, 1), "mnist": (28, 28, 1), "fashion_mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
MODELS = {
    "digits_cnn": "digits",
    "lenet300": "mnist",
    "lenet5": "mnist",
    "ds_cnn": "fashion_mnist",
    "mobilenet": "cifar10",
    "resnet8": "cifar10",
}

# By hand, kernels + biases; batch normalization has four numbers a channel, two of them learned.
DIGITS_CNN = (9 * 16 + 16) + (9 * 16 * 32 + 32) + (2 * 2 * 32 * 32 + 32) + (32 * 10 + 10)
LENET300 = (784 * 300 + 300) + (300 * 100 + 100) + (100 * 10 + 10)
LENET5 = (25 * 20 + 20) + (25 * 20 * 50 + 50) + (4 * 4 * 50 * 500 + 500) + (500 * 10 + 10)


def build(name: str) -> keras.Model:
    """A zoo model for the data set it was made for."""
    module = importlib.import_module(f"bramble_zoo.{name}")
    model: keras.Model = module.build(SHAPES[MODELS[name]], 10)
    return model


@pytest.mark.parametrize(
    ("name", "published", "by_hand"),
    [
        ("digits_cnn", 9_258, DIGITS_CNN),
        ("lenet300", 266_610, LENET300),  # Han et al. 2015, table 1: 267K
        ("lenet5", 431_080, LENET5),  # Han et al. 2015, table 1: 431K
    ],
)
def test_parameters(name: str, published: int, by_hand: int) -> None:
    """The number of parameters is the published one, and the layers' sum."""
    assert build(name).count_params() == published == by_hand


def test_parameters_of_ds_cnn() -> None:
    """A convolution of 64, four times a depthwise and a 1 x 1 one, nine norms, one dense layer."""
    convolutions = 9 * 64 + 4 * (9 * 64 + 64 * 64)
    assert build("ds_cnn").count_params() == 22_218 == convolutions + 9 * 4 * 64 + 64 * 10 + 10


def test_parameters_of_mobilenet() -> None:
    """Thirteen blocks a quarter as wide; all but the dense layer are the paper's at alpha 0.25."""
    widths = [8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256]
    total = 9 * 3 * 8 + 4 * 8
    for before, after in pairwise(widths):
        total += 9 * before + 4 * before + before * after + 4 * after
    assert build("mobilenet").count_params() == 221_114 == total + 256 * 10 + 10
    published = keras.applications.MobileNet((96, 96, 3), 0.25, weights=None, include_top=False)
    assert total == published.count_params()


def test_parameters_of_resnet8() -> None:
    """MLPerf Tiny's 78,666: 77,360 kernel weights, 346 biases, and 4 numbers for each of 240 normalised channels."""
    model = build("resnet8")
    weights = model.get_weights()
    kernels = sum(array.size for array in weights if array.ndim > 1)
    biases = (16 + 2 * 16) + 3 * 32 + 3 * 64 + 10
    normalised = 16 + 2 * 16 + 2 * 32 + 2 * 64
    assert kernels == 77_360
    assert model.count_params() == 78_666 == kernels + biases + 4 * normalised


@pytest.mark.parametrize("name", MODELS)
def test_ends_in_logits(name: str) -> None:
    """Outputs are any real numbers, one a class: they are neither positive throughout nor sum to one."""
    keras.utils.set_random_seed(1)
    model = build(name)
    pictures = np.random.default_rng(1).random((16, *SHAPES[MODELS[name]]), dtype=np.float32)
    outputs = np.asarray(model(pictures))
    assert outputs.shape == (16, 10)
    assert outputs.min() < 0 < outputs.max()
    assert np.abs(outputs.sum(axis=1) - 1).max() > 0.01


@pytest.mark.parametrize("name", MODELS)
def test_classes_and_shape_are_the_callers(name: str) -> None:
    """A builder takes any number of classes, and pictures of another size and depth."""
    module = importlib.import_module(f"bramble_zoo.{name}")
    model = module.build((36, 40, 3), 3)
    assert (model.input_shape, model.output_shape) == ((None, 36, 40, 3), (None, 3))
    assert model.name == name


def test_every_model_is_tested() -> None:
    """A new architecture file must be added to this test's table."""
    folder = Path(str(resources.files("bramble_zoo")))
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(MODELS)


def test_recipes_are_found_by_name() -> None:
    """The product lists exactly the files that are there."""
    assert RECIPES
    assert {name: str(path) for name, path in zoo_recipes().items()} == {path.stem: str(path) for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_is_valid_and_fits_its_data(path: Path) -> None:
    """A recipe reads without a mistake, is named as its file, and its model takes its data's pictures."""
    recipe: Recipe = read_recipe(str(path)).recipe
    assert recipe.name == path.stem
    assert recipe.model.build is not None
    module, _, function = recipe.model.build.partition(":")
    shape = SHAPES[recipe.data.name]
    model = getattr(importlib.import_module(module), function)(shape, 10)
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_has_a_budget(path: Path) -> None:
    """A recipe of the zoo says what it promises: accuracy, size and latency."""
    budget = read_recipe(str(path)).recipe.budget
    assert budget.accuracy is not None
    assert budget.size_bytes is not None
    assert budget.p95_ms is not None
