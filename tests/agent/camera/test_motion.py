"""The share of a picture that changed, on pictures made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bramble_agent.camera.motion import Motion, blocks


def grey(side: int = 64, level: int = 100) -> np.ndarray:
    """A plain picture."""
    return np.full((side, side, 3), level, np.uint8)


def test_share_of_a_square() -> None:
    """A quarter of the side squared: 1/16 of the picture changed."""
    motion, after = Motion(0.05), grey()
    after[:16, :16] = 200
    assert motion.lets(grey())
    assert not motion.lets(grey())
    assert motion.changed == 0.0
    assert motion.lets(after)
    assert motion.changed == pytest.approx(1 / 16)
    assert Motion(0.07).lets(grey())


def test_too_small_a_change_is_skipped() -> None:
    """1/16 changed where 7 % are asked for."""
    motion, after = Motion(0.07), grey()
    after[:16, :16] = 200
    motion.lets(grey())
    assert not motion.lets(after)


def test_noise_is_no_motion() -> None:
    """Noise of ±8 levels on every pixel of two pictures of 96 × 96 moves no block's mean by 10."""
    draw = np.random.default_rng(0)
    motion = Motion(0.001)
    pictures = [(100 + draw.integers(-8, 9, (96, 96, 3))).astype(np.uint8) for _ in range(20)]
    assert [motion.lets(picture) for picture in pictures] == [True] + [False] * 19


def test_slow_changes_add_up() -> None:
    """3 levels a frame: the fourth step is more than 10 levels from the picture that was let through."""
    motion = Motion(0.5)
    assert [motion.lets(grey(level=100 + 3 * i)) for i in range(9)] == [True, *[False] * 3, True, *[False] * 3, True]


def test_without_a_share_everything_passes() -> None:
    """0 is off."""
    motion = Motion(0.0)
    assert all(motion.lets(grey()) for _ in range(3))


def test_another_size_passes() -> None:
    """A release that takes larger pictures begins anew."""
    motion = Motion(0.5)
    assert motion.lets(grey(64))
    assert motion.lets(grey(100))
    assert not motion.lets(grey(100))


@pytest.mark.parametrize(("side", "count"), [(4, 4), (32, 32), (33, 16), (96, 32), (224, 32), (100, 25)])
def test_blocks(side: int, count: int) -> None:
    """At most 32 a side, means of equal blocks."""
    plane = np.arange(side * side, dtype=np.uint32).reshape(side, side, 1)
    found = blocks((plane % 251).astype(np.uint8))
    assert found.shape == (count, count)
    block = -(-side // 32)
    assert found[0, 1] == (plane[:block, block : 2 * block] % 251).mean()
