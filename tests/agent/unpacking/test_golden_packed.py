"""A packed model that stays as it is: a decoder that reads it otherwise is of another version of the format."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bramble_agent.unpacking.parts import PACKED
from bramble_agent.unpacking.unpack import VERSION, costs, unpack

GOLDEN = (Path(__file__).parent / "golden.packed").read_bytes()


def test_the_golden_file_is_read() -> None:
    """By version 2, a plan and parts of every kind but the standard library's; its head has what comes out's sha256."""
    assert VERSION == GOLDEN[3] == 2
    model = unpack(GOLDEN)
    assert hashlib.sha256(model).digest() == GOLDEN[4:36]
    assert len(model) == 13_104
    found = costs(GOLDEN)
    assert {part.kind for part, _ in found.parts} == set(range(PACKED))
    assert found.layout < 8 * 60
