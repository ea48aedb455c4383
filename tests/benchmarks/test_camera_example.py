"""The loop beside picamera2's example: its labels are read as there, its model's input is what it would be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


class Model:
    """An interpreter of which only the input's type is known."""

    def __init__(self, kind: type) -> None:
        """A picture of 2 × 3."""
        self._kind = kind

    def get_input_details(self) -> list[dict[str, Any]]:
        """The one input."""
        return [{"shape": np.array([1, 2, 3, 3]), "dtype": self._kind}]


def grey(light: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """In place of a resize: the first grey everywhere."""
    return np.full((size[1], size[0], 3), light[0, 0])


def test_labels(camera: SimpleNamespace, tmp_path: Path) -> None:
    """Numbers and names, which may have spaces."""
    (tmp_path / "l").write_text("0 nobody\n1 a person\n")
    assert camera.example.read_labels(tmp_path / "l") == {0: "nobody", 1: "a person"}


@pytest.mark.parametrize(("kind", "value"), [(np.uint8, 200), (np.int8, 72), (np.float32, 72.5 / 127.5)])
def test_input(camera: SimpleNamespace, kind: type, value: float) -> None:
    """Grey 200 as the model's type: as it is, less 128, between -1 and 1."""
    frame = np.full(320 * 240 * 3 // 2, 200, np.uint8)
    found = camera.example.prepared(Model(kind), frame, grey)
    assert (found.shape, found.dtype) == ((1, 2, 3, 3), kind)
    assert found == pytest.approx(np.full(found.shape, value))


def test_rows(camera: SimpleNamespace) -> None:
    """Medians over turns: 9 ms beside 2 and 1 ms; invoke alone takes 1.5 of the 9."""
    took = {"example": [8.0, 9.0, 30.0], "same": [2.0, 2.0, 9.0], "own": [1.0, 1.0, 0.5]}
    same, own = camera.example.rows("m", took, {"invoke": [1.5, 1.5, 2.0]}, {"threads": 2})
    assert (same.value, own.value, same.holds, own.limit) == (4.5, 9.0, True, 3.0)
    assert same.detail["bound: a loop that did nothing but invoke / the example"] == 6.0
    assert same.detail["of ours on the same frames, conversion, median ms"] == 1.0
    assert same.detail["threads"] == 2
