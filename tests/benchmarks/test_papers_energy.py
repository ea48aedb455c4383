"""Fetching sparse weights: fillers past long gaps, and the claim's line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from table_lines import Write, line


@pytest.mark.parametrize(
    ("places", "bits", "expected"),
    [
        ([1, 4, 15], 3, 1),  # Deep Compression, Fig. 2
        ([31], 5, 0),
        ([32], 5, 1),
        ([0, 32], 5, 0),
        ([0, 33], 5, 1),
        ([0, 64], 5, 1),
        ([0, 65, 300], 5, 2 + 7),
        ([0, 65, 300], 8, 0),
        ([0, 257], 8, 1),
        ([], 5, 0),
    ],
)
def test_fillers_stand_past_long_gaps(papers: SimpleNamespace, places: list[int], bits: int, expected: int) -> None:
    """One for each 2^bits that a distance goes past; nothing after the last weight."""
    kernel = np.zeros(320, np.int8)
    kernel[places] = 1
    assert papers.energy.fillers(kernel.reshape(10, 32), bits) == expected


def test_fetches_count_the_kept_files_weights_and_fillers(
    papers: SimpleNamespace, write: Write, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A convolution of 2 weights 260 apart, a dense layer of 2 weights 40 apart with a bias."""
    from bramble.tflite import Graph, Node, Tensor

    far, near = np.zeros((3, 10, 10, 1), np.int8), np.zeros((2, 30), np.int8)
    far.flat[[0, 260]], near.flat[[5, 45]] = 7, -7
    values = [None, far, None, near, np.array([0, 3], np.int32), None]
    tensors = tuple(Tensor("", (), "INT8", (), 0, value) for value in values)
    nodes = (
        Node("CONV_2D", 1, (0, 1, -1), (2,)),
        Node("RESHAPE", 1, (2,), (2,)),
        Node("FULLY_CONNECTED", 1, (2, 3, 4), (5,)),
    )
    graph = Graph(tensors, nodes, (0,), (5,), "")
    write("lenet300-han", [150, 160, 170], dense_parameters=1000, nonzero=5)
    assert line(papers.claims.fetches(), "lenet300-han").verdict == "not run yet"
    (results / "lenet300-han.tflite").write_bytes(b"a file")
    monkeypatch.setattr(papers.claims, "read_graph", {b"a file": graph}.__getitem__)
    layers = papers.energy.stored(graph)
    assert [(one.weights, one.fillers, one.index_bits, one.biases) for one in layers] == [(2, 1, 8, 0), (2, 1, 5, 1)]
    words = (3 * 40 + 3 * 37 + 32) / 32  # of 32 bits; the dense net has 1000
    found = line(papers.claims.fetches(), "lenet300-han")
    assert f"{1000 / words:.1f}x less" in found.ours
    assert "2 fillers to 4 weights" in found.ours
    assert found.verdict == "reached"
