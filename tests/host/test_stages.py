"""The facts that a stage leaves: counted by hand, and those of the very file that a model would be."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from bramble.datasets.types import Dataset
from bramble.recipe import Prune
from bramble.recipe_quantize import Quantize
from bramble.stages import run_stage
from bramble.tflite import deflated_bytes
from bramble_zoo import digits_cnn

from .conftest import quiet

MACS = 64 * 9 * 16 + 16 * 9 * 16 * 32 + 2 * 2 * 32 * 32 + 32 * 10  # two convolutions, two dense layers
KERNELS = 9 * 16 + 9 * 16 * 32 + 128 * 32 + 32 * 10


class Erfinv(keras.layers.Layer):  # type: ignore[misc]
    """A function that TFLite has no operator for."""

    def call(self, x: object) -> object:
        """Apply it."""
        return keras.ops.erfinv(keras.ops.tanh(x))


def in_a_zip(path: Path) -> int:
    """What a file takes in a .zip."""
    with zipfile.ZipFile(io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "model")
        return archive.getinfo("model").compress_size


@pytest.mark.parametrize("size", [0, 1, 10_000])
def test_deflated_as_a_zip_does(tmp_path: Path, size: int) -> None:
    """The deflated size is that of a .zip's member, of nothing, of little and of much."""
    (tmp_path / "some").write_bytes(bytes(np.random.default_rng(1).integers(0, 4, size, np.uint8)))
    assert deflated_bytes((tmp_path / "some").read_bytes()) == in_a_zip(tmp_path / "some")


def test_stages_tell_counts_and_sizes(digits: Dataset, tmp_path: Path) -> None:
    """Pruning to a tenth leaves a tenth of the kernels and a smaller deflated file: the one that quantize writes."""
    keras.utils.set_random_seed(1)
    model, work = digits_cnn.build((8, 8, 1), 10), quiet(digits)
    dense = run_stage(Prune(do="prune", density=1.0, epochs=0, remove_dead=False), model, None, work, tmp_path)
    pruned = run_stage(
        Prune(do="prune", density=0.1, scope="local", epochs=0, remove_dead=False), model, None, work, tmp_path
    )
    shipped = run_stage(Quantize(do="quantize", scheme="float32"), model, None, work, tmp_path)
    assert [facts["macs"] for facts in (dense, pruned, shipped)] == [MACS] * 3
    assert [facts["parameters"] for facts in (dense, pruned, shipped)] == [9_258] * 3
    assert (dense["nonzero"], pruned["nonzero"]) == (KERNELS, round(0.1 * KERNELS))  # biases begin at zero
    plain = tmp_path / "float.tflite"
    assert abs(pruned["model_bytes"] - plain.stat().st_size) < 100  # but for the names in it
    assert abs(pruned["packed_bytes"] - in_a_zip(plain)) < 100
    assert shipped["model_bytes"] == plain.stat().st_size
    assert shipped["packed_bytes"] == in_a_zip(plain)
    assert dense["packed_bytes"] > 3 * pruned["packed_bytes"]


def test_shipped_file_is_the_one_that_is_weighed(digits: Dataset, trained: keras.Model, tmp_path: Path) -> None:
    """In int8, size and deflated size are those of model.tflite."""
    facts = run_stage(Quantize(do="quantize", calibration=50), trained, None, quiet(digits), tmp_path)
    assert facts["model_bytes"] == (tmp_path / "model.tflite").stat().st_size
    assert facts["packed_bytes"] == in_a_zip(tmp_path / "model.tflite")


def test_model_that_cannot_be_lowered_is_kept(digits: Dataset, tmp_path: Path) -> None:
    """What was done is not lost: the sizes are not known, and quantize will say why."""
    pixels = keras.Input((8, 8, 1))
    model = keras.Model(pixels, keras.layers.Dense(10)(Erfinv()(keras.layers.Flatten()(pixels))))
    facts = run_stage(Prune(do="prune", density=1.0, epochs=0, remove_dead=False), model, None, quiet(digits), tmp_path)
    assert (tmp_path / "model.keras").exists()
    assert (facts["macs"], facts["model_bytes"], facts["packed_bytes"]) == (None, None, None)
    assert facts["parameters"] == 650
