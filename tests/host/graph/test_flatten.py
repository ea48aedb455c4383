"""Nested models laid open: bit-identical in every mode, names kept, and what is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bramble.build_model import load_model
from bramble.convert import convert
from bramble.datasets.types import Dataset, Images
from bramble.graph.channels import nodes, trace
from bramble.graph.flatten import flatten
from bramble.held.masks import prunable
from bramble.recipe import Prune, Slim, Train
from bramble.stages import run_stage
from bramble.work import Work
from bramble_agent import runtime
from bramble_agent.wire import Pixels

from ..nets import chain, scrambled

PICTURES = np.random.default_rng(5).random((6, 8, 8, 3), dtype=np.float32)


def base(inside: float = 0.0) -> keras.Model:
    """A functional model that holds a Sequential with a norm, an addition and a dropout."""
    block = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.Conv2D(4, 3, padding="same", name="conv"),
            layers.BatchNormalization(name="norm"),
        ],
        name="block",
    )
    pixels = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="conv")(pixels)
    x = layers.ReLU(name="relu")(layers.Add(name="add")([x, block(x)]))
    x = layers.Dropout(inside, seed=3, name="drop")(x)
    return keras.Model(pixels, layers.GlobalAveragePooling2D(name="pool")(x), name="base")


def transfer(inside: float = 0.0, **call: Any) -> keras.Model:
    """Rescaling → base(x, …) → a head."""
    pixels = keras.Input((8, 8, 3), name="pixels")
    x = base(inside)(layers.Rescaling(2.0, name="scale")(pixels), **call)
    return scrambled(keras.Model(pixels, layers.Dense(3, name="conv2")(x), name="transfer"))


def answers(model: keras.Model, training: bool | None) -> Any:
    """The model's answers, and its weights afterwards (norms move while training)."""
    found = np.asarray(model(PICTURES) if training is None else model(PICTURES, training=training))
    return found, {weight.path.split("/", 1)[-1]: np.array(weight) for weight in model.weights}


def norm(model: keras.Model) -> keras.Layer:
    """The one batch norm, wherever it is."""
    (found,) = (layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization))
    return found


@pytest.mark.parametrize("call", [{}, {"training": False}, {"training": True}], ids=str)
@pytest.mark.parametrize("mode", [None, False, True])
def test_same_answers_in_every_mode(call: dict[str, Any], mode: bool | None) -> None:
    """Bit for bit, and the norm's statistics move (or do not) as they do in the nested model."""
    model = transfer(**call)
    flat = flatten(model)
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)
    assert np.array_equal(answers(flat, mode)[0], answers(model, mode)[0])
    for one, other in zip(norm(flat).get_weights(), norm(model).get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_weights_are_copies() -> None:
    """The same values, counts and flags; changing the flat model leaves the nested one."""
    model = transfer()
    norm(model).trainable = False
    flat = flatten(model)
    assert flat.count_params() == model.count_params()
    assert not norm(flat).trainable
    assert len(flat.trainable_weights) == len(model.trainable_weights)
    before = model.get_weights()
    flat.set_weights([weight * 0 for weight in flat.get_weights()])
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_names_by_hand() -> None:
    """Each keeps its name; of the two called "conv" the deeper one gets its model's in front."""
    flat = flatten(transfer())
    expected = ["add", "block_conv", "conv", "conv2", "drop", "norm", "pixels", "pool", "relu", "scale"]
    assert sorted(layer.name for layer in flat.layers) == expected
    assert (flat.name, flat.input_shape, flat.output_shape) == ("transfer", (None, 8, 8, 3), (None, 3))


def test_clashing_names_of_one_depth() -> None:
    """Two bases with the same layer names inside are told apart by their own names."""
    pixels = keras.Input((2, 2, 2))
    first, second = chain(2), chain(3)
    second.name = "other"
    shrunk = layers.Reshape((2, 2, 2))(layers.Dense(8, name="conv0")(first(pixels)))
    flat = flatten(keras.Model(pixels, second(shrunk)))
    dense = {layer.name for layer in prunable(flat)}
    assert dense == {"conv0", "chain_conv0", "other_conv0", "out", "other_out"}


def called(model: keras.Model, name: str) -> Any:
    """How a layer was called with regard to training."""
    (node,) = (node for node in nodes(model) if node.operation.name == name)
    return node.arguments.kwargs.get("training")


def test_training_flags_are_kept() -> None:
    """base(x, training=False) reaches all layers inside, also over a dropout's own flag; without it that one stays."""
    flat = flatten(transfer(training=False))
    assert [called(flat, name) for name in ("norm", "drop")] == [False, False]
    pixels = keras.Input((4,))
    noisy = keras.Model(pixels, layers.Dropout(0.5, name="drop")(pixels, training=True), name="noisy")
    outer = keras.Input((4,))
    assert called(flatten(keras.Model(outer, layers.Dense(2)(noisy(outer)))), "drop") is True
    assert called(flatten(keras.Model(outer, layers.Dense(2)(noisy(outer, training=False)))), "drop") is False


def test_dropout_drops_as_before() -> None:
    """With one seed the flat model draws the same numbers, and keeps rate and seed."""
    model = transfer(0.5)
    flat = flatten(model)
    assert flat.get_layer("drop").rate == 0.5
    assert np.array_equal(answers(flat, True)[0], answers(model, True)[0])
    assert not np.array_equal(answers(flat, True)[0], answers(flat, False)[0])


def test_functions_in_the_graph_are_kept() -> None:
    """keras.ops and operators inside and outside of the base."""
    pixels = keras.Input((8, 8, 3))
    inner = keras.Model(pixels, keras.ops.sin(layers.Conv2D(2, 1)(pixels)) * 2.0 + pixels[..., :1], name="inner")
    outer = keras.Input((8, 8, 3))
    model = scrambled(keras.Model(outer, layers.Dense(2)(keras.ops.mean(inner(outer) - 1.0, axis=(1, 2)))))
    flat = flatten(model)
    assert np.array_equal(np.asarray(flat(PICTURES)), np.asarray(model(PICTURES)))


def test_a_sequential_of_models() -> None:
    """A base and a head in a Sequential, the other usual pattern; a saved one comes back and can be traced."""
    model = scrambled(keras.Sequential([keras.Input((8, 8, 3)), base(), layers.Dense(3, name="head")], name="row"))
    flat = flatten(model)
    assert np.array_equal(np.asarray(flat(PICTURES)), np.asarray(model(PICTURES)))
    assert {use.layer.name for use in trace(flat).uses} == {"conv", "block_conv", "norm", "head"}


def test_loaded_models_are_laid_open(tmp_path: Path) -> None:
    """Saved nested, loaded, flattened, saved flat, loaded: the same answers, the same names."""
    transfer(training=False).save(tmp_path / "nested.keras")
    nested = load_model(tmp_path / "nested.keras")
    flat = flatten(nested)
    flat.save(tmp_path / "flat.keras")
    again = load_model(tmp_path / "flat.keras")
    assert flatten(again) is again
    assert np.array_equal(np.asarray(again(PICTURES)), np.asarray(nested(PICTURES)))
    assert called(again, "norm") is False


@pytest.mark.parametrize(
    ("stage", "smaller"),
    [
        (Slim(do="slim", ratio=0.5, epochs=0), True),
        (Slim(do="slim", widths={"block_conv": 2}, epochs=1), True),
        (Prune(do="prune", density=0.1, epochs=0), True),
        (Train(do="train", epochs=1), False),
    ],
    ids=str,
)
def test_every_stage_takes_nested_models(tmp_path: Path, stage: Slim | Prune | Train, smaller: bool) -> None:
    """What used to be refused, or pruned only in its head, is cut all through."""
    pictures = Images((PICTURES * 255).astype(np.uint8), np.arange(6) % 3)
    work = Work(Dataset(("a", "b", "c"), pictures, pictures, pictures), Pixels(8, 8, "rgb"), 1, lambda event: None)
    model = transfer(training=False)
    facts = run_stage(stage, model, None, work, tmp_path)
    made = load_model(tmp_path / "model.keras")
    assert "block_conv" in [layer.name for layer in made.layers]
    assert (facts["nonzero"] < 0.8 * model.count_params()) == smaller


def test_laid_open_model_is_lowered() -> None:
    """A nested call's training=False reaches only layers that know it: an addition would refuse it when lowered."""
    nested = transfer(training=False)
    engine = runtime.load(convert(flatten(nested), "float32", lambda: iter(())))
    answers = np.concatenate([engine.run(picture[None])[0] for picture in PICTURES])
    assert np.allclose(answers, np.asarray(nested(PICTURES)), atol=1e-5)


class Own(keras.Model):  # type: ignore[misc]
    """A model whose graph nobody can see."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Twice its input."""
        return x * 2


def test_what_cannot_be_laid_open_is_left_alone() -> None:
    """No model inside, a subclassed one (at any depth, or outermost), one used twice, one whose input is reshaped."""
    pixels = keras.Input((2, 2, 2))
    twice = chain(2)
    middle = keras.Model(pixels, Own()(pixels))
    narrow = keras.Sequential([keras.Input((2, 2, 1)), layers.Flatten(), layers.Dense(2)])
    flat = keras.Input((2, 2))
    for model in (
        chain(3),
        Own(),
        keras.Model(pixels, Own()(pixels)),
        keras.Model(pixels, middle(pixels)),
        keras.Model(pixels, layers.Add()([twice(pixels), twice(layers.ReLU()(pixels))])),
        keras.Model(flat, narrow(flat)),
    ):
        assert flatten(model) is model
