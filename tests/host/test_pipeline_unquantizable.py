"""A model that quantize cannot lower: what is said, and that the training before it is not lost."""

from __future__ import annotations

import pytest

from bramble.errors import IncompatibleError
from running import run_pipeline

from .recipes import END, TRAIN, Write, runs_of

MODELS = """

def sine(shape, classes):
    pixels = keras.Input(shape)
    x = keras.ops.sin(layers.Dense(8)(layers.Flatten()(pixels)))
    return keras.Model(pixels, layers.Dense(classes)(x))


def dark(shape, classes):
    pixels = keras.Input(shape)
    x = layers.Dense(4, activation="relu", kernel_initializer="zeros", trainable=False, name="dark")(pixels)
    return keras.Model(pixels, layers.Dense(classes)(layers.Flatten()(x)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "said", "advice"),
    [
        ("dark", "the range of dark_activation is dead", "take the dead layer out"),
        ("sine", "these operators cannot be integer: SIN", "float16"),
    ],
)
def test_training_is_kept(write: Write, model: str, said: str, advice: str) -> None:
    """The layer or operator is named with what to do; another scheme begins with the trained model."""
    recipe = write(model, model, TRAIN)
    (module,) = recipe.parent.glob("own_*.py")
    module.write_text(module.read_text() + MODELS)
    as_float16 = recipe.read_text().replace('"float32"', '"float16"')
    recipe.write_text(recipe.read_text().replace('"float32"', '"int8"\nmax_mean_lsb = 1e9'))
    with pytest.raises(IncompatibleError, match=said) as caught:
        run_pipeline(recipe, runs_of(recipe))
    assert advice in caught.value.hint
    (left,) = (runs_of(recipe) / ".artifacts").iterdir()
    assert (left / "model.keras").is_file()
    recipe.write_text(as_float16)
    mended = run_pipeline(recipe, runs_of(recipe))
    assert mended.stages == [("train", True), *[(name, False) for name in END]]
