"""The second backend: told clearly where it is missing; where it is installed, its kernels beside ours."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from bramble.compress.quantize import Quantized, quantize
from bramble.datasets.types import Dataset
from bramble.errors import IncompatibleError, RecipeError
from bramble.pipeline import Options, build
from bramble.quantization.ai_edge import by_ai_edge_quantizer, needed
from bramble.reading import read_recipe
from bramble.recipe_quantize import Quantize
from bramble.tflite import read_graph

from ..conftest import quiet

if TYPE_CHECKING:
    from ..recipes import Write

installed = pytest.mark.skipif(util.find_spec("ai_edge_quantizer") is None, reason="ai-edge-quantizer is an extra")


def absent(name: str) -> str:
    """No package is installed."""
    raise metadata.PackageNotFoundError(name)


def theirs(model: keras.Model, digits: Dataset, scheme: str) -> Quantized:
    """The model lowered by the other backend."""
    how = {"do": "quantize", "scheme": scheme, "backend": "ai-edge-quantizer", "max_mean_lsb": 8.0}
    return quantize(model, Quantize.model_validate(how), quiet(digits))


def test_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra; our own backend needs nothing."""
    monkeypatch.setattr(metadata, "version", absent)
    assert needed("bramble") == ()
    with pytest.raises(RecipeError, match="needs the package ai-edge-quantizer, which is not installed") as caught:
        by_ai_edge_quantizer(b"", "int8", np.zeros((1, 8, 8, 1), np.float32))
    assert "pip install 'bramble-edge[ai-edge-quantizer]'" in caught.value.hint


def test_missing_package_is_told_before_any_work(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after the training that comes before it."""
    found = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: (absent if name == "ai-edge-quantizer" else found)(name))
    path = write("theirs", "small", 'do = "train"\n')
    path.write_text(path.read_text().replace('"float32"', '"int8"\nbackend = "ai-edge-quantizer"'))
    told: list[object] = []
    with pytest.raises(RecipeError, match="is not installed"):
        build(read_recipe(str(path)), Options(None, tmp_path / "runs"), told.append)
    assert told == []


def test_its_version_is_part_of_what_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that asks for it is made anew by another version; one of our own backend does not look."""
    monkeypatch.setattr(metadata, "version", lambda name: {"ai-edge-quantizer": "9.8"}[name])
    assert needed("ai-edge-quantizer") == ("9.8",)
    assert needed("bramble") == needed("") == ()


@installed
def test_a_refused_model_is_told(lowered: Callable[[str], Quantized], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raises becomes an error of ours, in one line."""
    from ai_edge_quantizer import quantizer

    def refuse(self: object, seen: object) -> None:
        raise ValueError("op X is\n  not known")

    monkeypatch.setattr(quantizer.Quantizer, "quantize", refuse)
    with pytest.raises(IncompatibleError, match="cannot lower the model to dynamic: op X is not known"):
        by_ai_edge_quantizer(lowered("float32").tflite, "dynamic", np.empty(0, np.float32))


@installed
@pytest.mark.parametrize("scheme", ["int8", "int16x8", "dynamic"])
def test_its_files_pass_the_audit(trained: keras.Model, digits: Dataset, scheme: str) -> None:
    """Integers where the scheme says so, and answers within 8 LSB: its ranges clip more than ours."""
    found = theirs(trained, digits, scheme).audit
    assert (found.scheme, found.failures) == (scheme, ())
    assert found.agreement > 0.9


@pytest.mark.slow
@installed
def test_cross_check_of_kernels(trained: keras.Model, digits: Dataset) -> None:
    """Two exporters that know nothing of each other: the same scales, the same integers up to a tie's rounding."""
    how = Quantize.model_validate({"do": "quantize", "calibration": 100})
    ours = read_graph(quantize(trained, how, quiet(digits)).tflite).weights()
    others = read_graph(theirs(trained, digits, "int8").tflite).weights()
    assert len(ours) == len(others) == 4
    for one, other in zip(ours, others, strict=True):
        assert one.value is not None
        assert other.value is not None
        assert np.allclose(one.scales, other.scales, rtol=1e-5)
        off = np.abs(one.value.astype(int) - other.value.astype(int))
        assert off.max() <= 1
        assert off.mean() < 0.01
