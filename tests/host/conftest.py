"""Models shared by the tests of the host: trained once, lowered once a scheme. TensorFlow loads only when asked for."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.datasets.types import Dataset, split
from bramble.work import Work
from bramble_agent.wire import Pixels

if TYPE_CHECKING:
    import keras

    from bramble.compress.quantize import Quantized

    from .recipes import Write

GRAY8 = Pixels(8, 8, "gray")


def quiet(data: Dataset) -> Work:
    """Work on pictures like the digits, seed 1, telling nobody."""
    return Work(data, GRAY8, 1, lambda event: None)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """``write(name, function, stage, …)`` puts a recipe on digits into a folder, beside a module with its model."""
    from .recipes import OWN

    folder = tmp_path / "project"
    folder.mkdir()
    module = f"own_{re.sub(r'[^a-z0-9]', '_', tmp_path.name.lower())}"
    (folder / f"{module}.py").write_text(OWN)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.syspath_prepend(str(folder))

    def recipe(name: str, function: str, *stages: str, data: str = "", model: str = "") -> Path:
        tables = "".join(f"[[stage]]\n{stage}" for stage in stages)
        text = f'name = "{name}"\n[data]\nname = "digits"\n{data}\n[model]\n'
        text += model or f'build = "{module}:{function}"'
        path = folder / f"{name}.toml"
        path.write_text(f'{text}\n{tables}[[stage]]\ndo = "quantize"\nscheme = "float32"\n')
        return path

    return recipe


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The digits with a tenth held out."""
    from bramble.datasets import digits

    return split(digits.source(), 0.1)


@pytest.fixture(scope="session")
def trained(digits: Dataset) -> keras.Model:
    """The zoo's digits model after six epochs; not to be changed."""
    import keras

    from bramble.compress.train import train
    from bramble.recipe import Train
    from bramble_zoo import digits_cnn

    keras.utils.set_random_seed(1)
    model = digits_cnn.build((8, 8, 1), 10)
    return train(model, Train(do="train", epochs=6, batch_size=32), quiet(digits))


@pytest.fixture(scope="session")
def lowered(trained: keras.Model, digits: Dataset) -> Callable[[str], Quantized]:
    """``lowered(scheme)`` is the trained model in that scheme."""
    from bramble.compress.quantize import quantize
    from bramble.recipe_quantize import Quantize

    @functools.cache
    def lower(scheme: str) -> Quantized:
        how = Quantize.model_validate({"do": "quantize", "scheme": scheme, "calibration": 200})
        return quantize(trained, how, quiet(digits))

    return lower


@pytest.fixture(scope="session")
def tiny() -> keras.Model:
    """A model small enough for hand counts: 6 x 6 x 2 → conv 4@3x3 → depthwise 3x3 → dense 3; random weights."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    pixels = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(pixels)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Flatten()(x)
    return keras.Model(pixels, layers.Dense(3, name="dense")(x), name="tiny")


def noise(*shape: int) -> Callable[[], Iterator[list[NDArray[Any]]]]:
    """Calibration samples: eight pictures of uniform noise in [0, 1)."""

    def samples() -> Iterator[list[NDArray[Any]]]:
        for seed in range(8):
            yield [np.random.default_rng(seed).random((1, *shape), dtype=np.float32)]

    return samples


@pytest.fixture(scope="session")
def tiny_lowered(tiny: keras.Model) -> Callable[[str], bytes]:
    """``tiny_lowered(scheme)`` is the tiny model's .tflite."""
    from bramble.convert import convert

    return functools.cache(lambda scheme: convert(tiny, scheme, noise(6, 6, 2)))
