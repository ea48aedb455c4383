"""What recipes promise of the packed file: K values of a hashed layer and no index, a bit a binary weight."""

from __future__ import annotations

from pathlib import Path

import pytest

from bramble.packing.contents_table import Row, rows
from bramble.pipeline import Built
from bramble.tflite import read_graph
from bramble_agent.bundle import PACKED, open_bundle
from running import run_pipeline

pytestmark = pytest.mark.slow

RECIPE = """
name = "packed"
[data]
name = "digits"
[model]
build = "bramble_zoo.digits_cnn:build"
[[stage]]
epochs = 2
batch_size = 32
{stage}
[[stage]]
do = "quantize"
{quantize}
"""
SIZES = {144, 4608, 4096, 320}  # weights of the digits CNN's kernels, all different
AWARE = "aware = { epochs = 1 }"


def built(folder: Path, stage: str, quantize: str) -> Built:
    """The recipe's result, digits CNN trained for two epochs by ``stage``."""
    (folder / "packed.toml").write_text(RECIPE.format(stage=stage, quantize=quantize))
    return run_pipeline(folder / "packed.toml", folder / "runs").built


def kernels(made: Built) -> dict[int, Row]:
    """What each kernel of the shipped bundle takes, by its number of weights."""
    opened = open_bundle(made.bundle)
    assert opened.packed == (made.folder / "bundle" / PACKED).read_bytes()
    names = {tensor.name for tensor in read_graph(opened.read("model.tflite")).weights()}
    found = {row.size: row for row in rows(opened.packed) if row.name in names}
    assert found.keys() == SIZES
    return found


@pytest.mark.parametrize(("compression", "quantize"), [(0.0625, ""), (0.25, AWARE)])
def test_a_hashed_layer_is_its_values(compression: float, quantize: str, tmp_path: Path) -> None:
    """Every kernel is coded as K values of about a byte and nothing else, however it was quantized."""
    found = kernels(built(tmp_path, f'do = "hash"\ncompression = {compression}', quantize))
    for size, row in found.items():
        assert row.coding == "hashed"
        count = round(compression * size)
        assert row.packed <= 1.1 * count + 8  # bytes


@pytest.mark.parametrize("quantize", ["", AWARE, "coarse = true"])
@pytest.mark.parametrize(("rule", "bits"), [("deterministic", 1.0), ("ternary", 1.585)])
def test_binary_weights_take_a_bit(rule: str, bits: float, quantize: str, tmp_path: Path) -> None:
    """A weight of two values takes a bit, one of three log₂ 3; a small kernel a little more."""
    found = kernels(built(tmp_path, f'do = "binarize"\nrule = "{rule}"', quantize))
    for size, row in found.items():
        assert row.packed <= 1.05 * size * bits / 8 + 8, row
