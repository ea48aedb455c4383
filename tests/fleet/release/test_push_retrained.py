"""A model that was trained on is sent as what changed, where host and board have the old one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bramble.bundle import load_bundle
from bramble.fleet.release import kept
from bramble.fleet.release.push import push
from bramble.fleet.types import Board, Connection
from bramble_agent.bundle import Bundle
from bringing import linked
from making import make_bundle, make_model

from .conftest import LOCALLY


def padded(folder: Path, weights: bytes, **changes: Any) -> Bundle:
    """A bundle whose model carries a megabyte of weights, which this tiny net does not read."""
    return load_bundle(make_bundle(folder, model=make_model() + weights, **changes))


@pytest.fixture
def retrained(tmp_path: Path) -> tuple[Bundle, Bundle]:
    """A model of 1 MB, and the same after some training: half of its weights moved by one or two steps."""
    random = np.random.default_rng(1)
    old = random.normal(0, 40, 1 << 20).astype(np.int8)
    steps = random.choice(np.array([0, 0, 1, -1, 2, -2], np.int8), len(old), p=[0.25, 0.25, 0.2, 0.2, 0.05, 0.05])
    first = padded(tmp_path / "first", old.tobytes())
    return first, padded(tmp_path / "second", (old + steps).tobytes(), name="second")


def test_retrained_model_is_sent_as_its_changes(
    connection: Connection, board: Board, retrained: tuple[Bundle, Bundle], root: Path
) -> None:
    """The model that follows the current one goes over in less than 60 % of its size, and lies there to the byte."""
    first, second = retrained
    push(connection, board, first)
    pushed = push(connection, board, second)
    assert 0 < pushed.sent_bytes < 0.6 * (1 << 20)
    assert (pushed.state, linked(root)) == ("current", (second.digest, first.digest))
    assert (root / "current" / "model.tflite").read_bytes() == second.read("model.tflite")


@LOCALLY
def test_requantized_bundle_sends_what_changed(
    connection: Connection, board: Board, retrained: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    """The same model under another name and with other classes is not sent again."""
    push(connection, board, retrained[0])
    same = padded(
        tmp_path / "same", retrained[0].read("model.tflite")[len(make_model()) :], labels=b"1\n2\n3\n", name="b"
    )
    assert push(connection, board, same).sent_bytes == 6


@pytest.mark.slow
@LOCALLY
@pytest.mark.parametrize("lost", ["here", "there", "rotten there"])
def test_retrained_model_without_the_old_one(
    connection: Connection, board: Board, retrained: tuple[Bundle, Bundle], root: Path, lost: str
) -> None:
    """Where host or board has the old model no more, or not whole, the new one is sent as it is."""
    first, second = retrained
    push(connection, board, first)
    there = root / "blobs" / first.manifest.files["model.tflite"].sha256
    if lost == "here":
        for path in kept.cache_dir().rglob("*"):
            if path.is_file():
                path.unlink()
    elif lost == "there":
        there.unlink()
    else:
        there.write_bytes(bytes(100))
    pushed = push(connection, board, second)
    assert (pushed.state, pushed.sent_bytes > 0.9 * (1 << 20)) == ("current", True)
    assert (root / "current" / "model.tflite").read_bytes() == second.read("model.tflite")
