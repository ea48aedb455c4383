"""Packed models: identical bytes, what each coding is for, and damage of every kind."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.packing import pack as packing
from bramble.packing.contents_table import LAYOUT, POSITIONS, SCALES, VALUES, WEIGHTS, shares
from bramble.packing.cut import Piece, pieces, values
from bramble.packing.levels import shared_levels
from bramble.packing.pack import pack
from bramble.packing.record import opened, record
from bramble.packing.shipped import packed_form
from bramble.tflite import deflated_bytes
from bramble_agent.errors import BundleDamaged, BundleTooNew
from bramble_agent.unpacking.hashed import KERAS, buckets, signs
from bramble_agent.unpacking.levels import integers
from bramble_agent.unpacking.parts import DENSE, HASHED, PACKED, PLANES, PRODUCT, SPARSE
from bramble_agent.unpacking.plan import varint, varint_bytes
from bramble_agent.unpacking.unpack import HEAD_BYTES, costs, is_packed, unpack
from making import make_model

MODELS = Path(__file__).parents[3] / "benchmarks" / "results" / "models"
DIGITS = (Path(__file__).parent / "digits-int8.tflite").read_bytes()  # by TensorFlow's converter alone


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skeletons by LZMA, except where a test is about them: bit by bit they take most of the time."""
    if "whole" not in request.node.name:
        monkeypatch.setattr(packing, "MOST_SKELETON", 0)


def kinds(packed: bytes) -> dict[int, int]:
    """How many parts there are of each kind."""
    found = [part.kind for part, _ in costs(packed).parts]
    return {kind: found.count(kind) for kind in set(found)}


def largest(model: bytes) -> Piece:
    """The largest buffer."""
    return max((one for one in pieces(model) if one.kind == "buffer"), key=lambda one: one.size)


def put(model: bytes, piece: Piece, content: NDArray[np.int8]) -> bytes:
    """The model with another content of a buffer."""
    return model[: piece.offset] + content.astype(np.int8).tobytes() + model[piece.offset + piece.size :]


@pytest.mark.slow
def test_a_whole_dense_model() -> None:
    """A small int8 net comes back bit for bit, smaller than deflate makes it; its scales of biases are not stored."""
    model = record(opened(DIGITS)).model
    packed = pack(model)
    assert unpack(packed) == model
    assert is_packed(packed)
    assert not is_packed(model)
    assert len(packed) < 0.87 * deflated_bytes(model)
    assert {DENSE, PRODUCT} <= kinds(packed).keys()
    sizes = {part.size: bits / 8 for part, bits in costs(packed).parts}
    assert 0.9 * 4608 < sizes[4608] < 4400  # the largest kernel: int8 that were trained have nearly 8 bits
    assert sum(shares(packed).values()) == len(packed)
    assert shares(packed)[WEIGHTS] > 8000
    assert shares(packed)[SCALES] < 300
    assert shares(packed)[LAYOUT] < 450  # the converter's long names among them


@pytest.mark.slow
def test_a_pruned_model() -> None:
    """A buffer with 5 % of its weights becomes positions and values, of 17 bits for each weight."""
    piece = largest(DIGITS)
    draw = np.random.default_rng(0)
    weights = values(DIGITS, piece) * (draw.random((piece.shape[0], piece.size // piece.shape[0])) < 0.05)
    model = put(DIGITS, piece, weights)
    packed = pack(model)
    assert unpack(packed) == model
    assert SPARSE in kinds(packed)
    taken = shares(packed)
    flags = 4608 * 0.2864 / 8  # the entropy of one in twenty
    assert 0.8 * flags < taken[POSITIONS] < 1.2 * flags
    assert 0.5 * np.count_nonzero(weights) < taken[VALUES] < 1.1 * np.count_nonzero(weights)
    without = len(pack(put(DIGITS, piece, np.zeros(piece.size))))
    assert len(packed) - without < np.count_nonzero(weights) * 17 / 8


@pytest.mark.slow
def test_shared_weights_are_found_and_cost_their_indices() -> None:
    """Weights that were 8 real numbers before each channel's scale rounded them are stored as 8 levels."""
    piece = largest(DIGITS)
    scales = np.frombuffer(DIGITS, "<u4", piece.shape[0], piece.scales_at)
    draw = np.random.default_rng(1)
    shared = np.array([-31, -22, -15, -8, 9, 14, 23, 30]) * float(scales.view(np.float32).min()) * 3.7
    chosen = draw.integers(0, 8, values(DIGITS, piece).shape)
    real = shared[chosen] * (draw.random(chosen.shape) < 0.2)
    weights = np.clip(np.rint(real / scales.view(np.float32)[:, None].astype(float)), -127, 127).astype(np.int8)
    levels = shared_levels(weights, 0, scales)
    assert levels is not None
    assert len(levels.levels) <= 8
    table = integers(np.array(levels.levels), levels.step, scales)
    rows, columns = np.nonzero(weights)
    assert (table[rows] == weights[rows, columns][:, None]).any(1).all()
    model = put(DIGITS, piece, weights)
    packed = pack(model)
    assert unpack(packed) == model
    without = len(pack(put(DIGITS, piece, np.zeros(piece.size))))
    flags = 0.722 * weights.size / 8  # the entropy of one in five
    assert len(packed) - without < 1.05 * (flags + len(rows) * 3 / 8) + 60


def test_levels_are_none_of_ours_where_weights_are_many() -> None:
    """Weights of all sizes in channels of all scales share no few levels."""
    piece = largest(DIGITS)
    scales = np.frombuffer(DIGITS, "<u4", piece.shape[0], piece.scales_at)
    assert shared_levels(values(DIGITS, piece), 0, scales) is None
    assert shared_levels(values(DIGITS, piece), 0, None) is None


@pytest.mark.slow
@pytest.mark.parametrize("order", [0, KERAS])
def test_hashed_layers_are_their_values_alone(order: int) -> None:
    """A layer of HashedNets with 64 values takes these, given its seed; another seed finds nothing, and packs well."""
    piece = largest(DIGITS)
    shape = (piece.shape[0], piece.size // piece.shape[0])
    scales = np.frombuffer(DIGITS, "<u4", piece.shape[0], piece.scales_at).view(np.float32).astype(float)
    real = np.random.default_rng(2).uniform(-60, 60, 64) * scales.min()
    weights = np.rint(real[buckets(shape, 64, 5, order)] * signs(shape, 5, order) / scales[:, None])
    model = put(DIGITS, piece, weights)
    packed = pack(model, [(6, 64), (5, 64)])
    assert unpack(packed) == model
    assert kinds(packed)[HASHED] == 1
    without = len(pack(put(DIGITS, piece, np.zeros(piece.size))))
    assert len(packed) - without < 64 * 3 + 40
    other = pack(model, [(6, 64)])
    assert HASHED not in kinds(other)
    assert unpack(other) == model


@pytest.mark.slow
def test_binary_and_ternary_weights_take_one_bit_and_log2_of_3(monkeypatch: pytest.MonkeyPatch) -> None:
    """±127 by chance takes a bit a weight, {-127, 0, 127} 1.585, in a small buffer and in one decoded by NumPy."""
    piece = largest(DIGITS)
    draw = np.random.default_rng(3)
    empty = len(pack(put(DIGITS, piece, np.zeros(piece.size))))
    for most in (packing.MOST_CELLS, 0):
        monkeypatch.setattr(packing, "MOST_CELLS", most)
        for choices, bits in (((-127, 127), 1.0), ((-127, 0, 127), 1.585)):
            model = put(DIGITS, piece, draw.choice(np.array(choices), piece.size))
            packed = pack(model)
            assert unpack(packed) == model
            assert len(packed) - empty < 1.06 * piece.size * bits / 8 + 60


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_other_models(dtype: str) -> None:
    """Hand-made models of integers and of floats come back."""
    model = make_model(dtype)
    assert unpack(pack(model)) == model


@pytest.mark.parametrize("data", [b"", b"a", b"rubbish" * 999, b"\x08\0\0\0TFL3" + bytes(99), DIGITS[:7000]])
def test_anything_comes_back(data: bytes) -> None:
    """What is no model, or a damaged one, packs like any file."""
    assert unpack(pack(data)) == data


def test_large_buffers_are_planes() -> None:
    """Float weights are taken byte by byte: exponents repeat, so a quarter is saved nearly."""
    floats = np.random.default_rng(4).normal(0, 0.05, 20_000).astype("<f4").tobytes()
    one = Piece(0, len(floats), "buffer", "<f4", (20_000,))
    found = packing.cheapest(packing._candidates(floats, one, 0, {}, {}), {}, 10**9)[0]
    assert found.part.kind == PLANES
    assert sum(map(len, found.tail)) < 0.87 * len(floats)


@pytest.mark.slow
def test_what_deflate_packs_as_well_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packed form is given only where it is smaller, and not for what is too large."""
    assert packed_form(DIGITS) == pack(DIGITS)
    monkeypatch.setattr("bramble.packing.shipped.deflated_bytes", lambda model: 100)
    assert packed_form(DIGITS) is None
    monkeypatch.setattr("bramble.packing.shipped.MOST_BYTES", len(DIGITS) - 1)
    assert packed_form(DIGITS) is None


def test_a_budget_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the board's time would not suffice, coders of the standard library are taken."""
    monkeypatch.setattr(packing, "BUDGET", packing.RESERVE)
    packed = pack(DIGITS)
    assert unpack(packed) == DIGITS
    assert PACKED in kinds(packed)
    assert DENSE not in kinds(packed)


def test_wrong_version_and_digest() -> None:
    """Another version says which is read; another sha256, a limit and rubbish say what is wrong."""
    packed = pack(make_model())
    with pytest.raises(BundleTooNew, match="version 9, this Bramble reads 2"):
        unpack(packed[:3] + b"\x09" + packed[4:])
    with pytest.raises(BundleDamaged, match="another sha256"):
        unpack(packed[:4] + bytes(32) + packed[HEAD_BYTES:])
    with pytest.raises(BundleDamaged, match="more than the 10 allowed"):
        unpack(packed, 10)
    with pytest.raises(BundleDamaged, match="no packed model"):
        unpack(b"TFL3" + packed)
    with pytest.raises(BundleDamaged, match="cut short"):
        unpack(packed[:20])


def test_an_endless_code_is_refused() -> None:
    """A code that announces a huge file, or ends long before what it announces, is refused at once."""
    packed = pack(make_model())
    for size in (1 << 40, (256 << 20) - 1):
        with pytest.raises(BundleDamaged):
            unpack(packed[:HEAD_BYTES] + varint_bytes(size) + b"\x04abcd")
    for code in (b"", b"\xff" * 6, bytes(200), b"\x55" * 5000):
        with pytest.raises(BundleDamaged):
            unpack(packed[:HEAD_BYTES] + varint_bytes(100_000) + varint_bytes(len(code)) + code)


def test_varints() -> None:
    """Sizes come back; one without an end, or of more than 63 bits, is refused."""
    for number in (0, 1, 127, 128, 300, 2**40):
        assert varint(varint_bytes(number), 0) == (number, len(varint_bytes(number)))
    for broken in (b"", b"\x80", b"\xff" * 20):
        with pytest.raises(ValueError, match=r"cut short|too large"):
            varint(broken, 0)


def broken(packed: bytes, draw: random.Random) -> bytes:
    """A few bytes of it changed, cut off, put in or taken out."""
    data = bytearray(packed)
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(3, len(data))
        match draw.randrange(5):
            case 0:
                data[at] ^= 1 << draw.randrange(8)
            case 1:
                data[at] = draw.randrange(256)
            case 2:
                del data[max(at, 40) :]
            case 3:
                data[at:at] = draw.randbytes(draw.randrange(1, 9))
            case _:
                del data[at : at + draw.randrange(1, 9)]
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_always_a_refusal(seed: int) -> None:
    """600 times damaged anywhere: refused with BundleDamaged or BundleTooNew, never another model or another error."""
    piece, draw = largest(make_model()), random.Random(seed)  # noqa: S311 - repeatable
    weights = np.arange(piece.size) * 37 % 256 * (np.arange(piece.size) % 3 == 0)
    model = [make_model(), put(make_model(), piece, weights), make_model("float32"), b"plain bytes" * 20][seed]
    packed, refused = pack(model), 0
    for _ in range(600):
        refused += _refused(broken(packed, draw), model)
    assert refused > 550


@pytest.mark.slow
def test_damage_of_a_whole_skeleton_is_a_refusal() -> None:
    """The same 20 times where the skeleton is in the code too, of a model with all kinds of parts."""
    packed, draw = pack(DIGITS), random.Random(9)  # noqa: S311 - repeatable
    assert sum(_refused(broken(packed, draw), DIGITS) for _ in range(20)) > 17


def _refused(data: bytes, model: bytes) -> bool:
    """Whether it is refused; else it must be the very model: a bit of what fills up the last byte says nothing."""
    try:
        assert unpack(data) == model
    except (BundleDamaged, BundleTooNew):
        return True
    return False
