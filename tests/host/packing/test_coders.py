"""The coders: what was written is read again, and what is damaged ends."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from bramble.packing.candidate import Candidate, cost
from bramble.packing.planes import encode, planes
from bramble.packing.range_encoder import RangeEncoder
from bramble_agent.unpacking import dense, positions, rans
from bramble_agent.unpacking.logistic import END, LOG2, SQUASH_ARRAY, STRETCH
from bramble_agent.unpacking.mixing import Mixer
from bramble_agent.unpacking.range_decoder import RangeDecoder
from bramble_agent.unpacking.vectors import Vectors
from bramble_agent.unpacking.whole_numbers import Numbers


def test_tables_are_what_the_mathematics_says() -> None:
    """Logarithms are rounded down, log-odds and their inverse agree with libm to the table's resolution."""
    assert all(LOG2[n] == math.floor(256 * math.log2(n) + 1e-9) for n in range(1, 65537))
    for p in range(8, 4096, 64):
        assert abs(STRETCH[p] - 256 * math.log2(p / (4096 - p))) <= 2
    for odds in range(-2000, 2001, 100):
        assert abs(SQUASH_ARRAY[odds + END] / 65536 - 1 / (1 + 2 ** (-odds / 256))) < 0.004


@pytest.mark.parametrize("seed", range(40))
def test_decisions_are_read_as_they_were_written(seed: int) -> None:
    """Flags of all probabilities, likely or not, and symbols come back; carries included."""
    draw = random.Random(seed)  # noqa: S311 - repeatable
    count = draw.randrange(400)
    ps = [draw.choice([1, 2, 65534, 65535, 32768, draw.randrange(1, 65536)]) for _ in range(count)]
    flags = [int(draw.random() < p / 65536) if draw.random() < 0.9 else draw.randrange(2) for p in ps]
    table = [0, *sorted(draw.sample(range(1, 65536), 9)), 65536]
    symbols = [draw.randrange(10) for _ in range(count)]
    coder = RangeEncoder()
    coder.flags(ps, flags)
    coder.symbols([table] * count, symbols)
    for p, flag in zip(ps, flags, strict=True):
        coder.bit(p, flag)
    reader = RangeDecoder(coder.finish())
    assert reader.flags(ps) == flags
    assert reader.symbols([table] * count) == symbols
    assert [reader.bit(p) for p in ps] == flags


def test_a_code_is_as_long_as_its_information() -> None:
    """100,000 flags of probability 1/100 take what their information is, give or take 1 %."""
    flags = (np.random.default_rng(0).random(100_000) < 0.01).astype(int)
    coder = RangeEncoder()
    coder.flags([655] * len(flags), flags.tolist())
    ideal = -(flags.sum() * math.log2(655 / 65536) + (1 - flags).sum() * math.log2(1 - 655 / 65536)) / 8
    assert ideal <= len(coder.finish()) < 1.01 * ideal + 2


def test_an_endless_code_ends() -> None:
    """Decisions beyond the end of the code, or beyond the budget, are errors."""
    with pytest.raises(IndexError):
        RangeDecoder(b"\x55" * 4).flags([32768] * 1000)
    with pytest.raises(IndexError):
        RangeDecoder(b"\x55" * 4).symbols([[0, 32768, 65536]] * 1000)
    with pytest.raises(ValueError, match="too long"):
        RangeDecoder(b"", budget=10).spend(11)


def test_mixing_learns_what_contexts_tell() -> None:
    """Numbers that follow from the one before cost nothing once that is learned, others their two bits."""
    draw, found = random.Random(1), []  # noqa: S311 - repeatable
    numbers = [0]
    for _ in range(2000):
        numbers.append((numbers[-1] * 5 + 3) % 16)
    for values in (numbers, [draw.choice((1, 4, 9, 14)) for _ in range(2001)]):
        coder, mixer = RangeEncoder(), Mixer(2)
        for before, value in zip([0, *values], values, strict=False):
            mixer.number(coder, (0, before), 4, value)
        code = coder.finish()
        reader, mixer, read = RangeDecoder(code), Mixer(2), [0]
        for _ in values:
            read.append(mixer.number(reader, (0, read[-1]), 4))
        assert read[1:] == values
        found.append(len(code))
    assert found[0] < 60
    assert 500 <= found[1] < 560


@pytest.mark.parametrize("values", [[0, 1, 2**31, 2**62, 5, 5, 5], list(range(300))])
def test_numbers_of_any_size(values: list[int]) -> None:
    """Whole numbers up to 63 bits come back, kinds apart."""
    coder = RangeEncoder()
    numbers = Numbers(coder)
    for i, value in enumerate(values):
        numbers.code(i % 3, value)
    again = Numbers(RangeDecoder(coder.finish()))
    assert [again.code(i % 3) for i in range(len(values))] == values


def test_scales_and_biases() -> None:
    """All words and all int32 come back; repeated scales and rounded biases cost little."""
    words = np.random.default_rng(2).integers(0, 2**32, 50, dtype=np.uint32)
    repeated = words[np.random.default_rng(3).integers(0, 4, 400)]
    biases = np.concatenate([[0, -1, 2**31 - 1, -(2**31)], np.random.default_rng(4).normal(0, 5000, 400)]).astype(
        np.int32
    )
    rounded = biases // 256 * 256
    sizes = []
    for given in (words, repeated):
        coder = RangeEncoder()
        Vectors().scales(coder, len(given), given)
        sizes.append(len(coder.finish()))
        assert np.array_equal(Vectors().scales(RangeDecoder(coder_bytes(coder)), len(given)), given)
    for given in (biases, rounded):
        coder, hints = RangeEncoder(), [0] * len(given)
        Vectors().biases(coder, len(given), hints, given)
        code = coder.finish()
        sizes.append(len(code))
        assert np.array_equal(Vectors().biases(RangeDecoder(code), len(given), hints), given)
    assert sizes[1] < 150  # 2 bits each, and the four words
    assert sizes[3] < sizes[2] - 300  # of 8 bits each, 400 bytes


def coder_bytes(coder: RangeEncoder) -> bytes:
    """The finished code once more."""
    return b"".join(word.to_bytes(2, "big") for word in coder._words)


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (64, 40), (700, 3)])
def test_dense_matrices(shape: tuple[int, int]) -> None:
    """Any bytes come back; a bell whose width differs from row to row takes about its entropy."""
    draw = np.random.default_rng(5)
    for matrix in (
        draw.integers(0, 256, shape, dtype=np.uint8),
        np.clip(draw.normal(0, 2.0 ** draw.uniform(1, 6, (shape[0], 1)), shape), -128, 127)
        .astype(np.int8)
        .view(np.uint8),
    ):
        coder = RangeEncoder()
        dense.code(coder, shape, matrix)
        assert np.array_equal(dense.code(RangeDecoder(coder.finish()), shape), matrix)


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_positions(density: float) -> None:
    """Flags come back with any neighbours; where lines repeat at a distance, naming that saves most of the bytes."""
    draw = np.random.default_rng(6)
    base = draw.random((8, 120)) < density
    flags = np.concatenate([base ^ (draw.random(base.shape) < 0.02 * (0 < density < 1)) for _ in range(6)])
    sizes = []
    for near, weights in (((), (0, 16, 16, 0, 0)), ((8, 1), (0, 0, 0, 0, 32))):
        outline = positions.Outline(*flags.shape, int(flags.sum()), near)
        coder = RangeEncoder()
        positions.code(coder, outline, weights, flags)
        code = coder.finish()
        assert np.array_equal(positions.code(RangeDecoder(code), outline, weights), flags)
        sizes.append(len(code))
    if density == 0.5:
        assert sizes[1] < 0.7 * sizes[0]
    if density in (0.0, 1.0):
        assert max(sizes) < 60  # of 720


@pytest.mark.parametrize("size", [1, 100, 5000, 300_000])
@pytest.mark.parametrize("classes", [1, 3])
def test_rans(size: int, classes: int) -> None:
    """Bytes come back in any number of lanes and classes; cut short or altered, they are refused."""
    draw = np.random.default_rng(7)
    data = np.minimum(draw.geometric(0.2, size) - 1, 255).astype(np.uint8)
    row = -(-size // 7)
    counts = np.bincount(data, minlength=256)
    frequencies = np.where(counts > 0, np.maximum(1, counts * 4096 // size), 0)
    frequencies[np.argmax(frequencies)] += 4096 - frequencies.sum()
    tables = rans.Tables(np.tile(frequencies, (classes, 1)), np.arange(7) % classes, row)
    code = encode(data, tables)
    assert np.array_equal(rans.decode(code, size, rans.checked(tables, size)), data)
    for broken in (code[:-2], code + b"\0\0", code[:1], bytes(len(code))):
        with pytest.raises(ValueError, match="part"):
            rans.decode(broken, size, tables)


def test_planes_need_no_more_than_the_entropy() -> None:
    """Half a million bytes of two rows, one of 1 bit and one of 5 bits, take 3 bits each."""
    draw = np.random.default_rng(8)
    data = np.stack([draw.integers(0, 2, 1 << 18), draw.integers(0, 32, 1 << 18)]).astype(np.uint8).tobytes()
    best = min(cost(one, {}).size for one in planes(0, data, 1, 2))
    assert best < 1.01 * len(data) * 3 / 8
    assert all(isinstance(one, Candidate) for one in planes(0, data, 4, 1))
