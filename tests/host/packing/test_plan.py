"""Plans: from what a .tflite is made of to the same bytes again; damage of every kind."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest

from bramble.packing.cut import pieces
from bramble.packing.pack import pack
from bramble.packing.record import opened, record, recorded
from bramble_agent.errors import BundleDamaged
from bramble_agent.unpacking.dictionary import words
from bramble_agent.unpacking.plan import HELD, IDENTIFIER, STRING, TABLE, VECTOR, lay
from bramble_agent.unpacking.unpack import costs, gaps, join, unpack
from making import make_model

HERE = Path(__file__).parent
FOREIGN = (HERE / "digits-int8.tflite").read_bytes()  # by TensorFlow's converter alone
BENCHMARKS = HERE.parents[2] / "benchmarks"


def ours(model: bytes) -> bytes:
    """The model as the exporter writes it."""
    return record(opened(record(opened(model)).model)).model


MODELS = {"floats": make_model("float32"), "integers": make_model(), "digits": FOREIGN}


@pytest.mark.parametrize("name", MODELS)
def test_a_plan_gives_the_file_around_its_vectors(name: str) -> None:
    """Everything but the vectors that are held comes back, each of them in its place; without any, the whole file."""
    model = ours(MODELS[name])
    found = recorded(model)
    assert found is not None
    assert lay(found.plan(set()), len(model)).between == model
    held = {piece.offset: piece.size for piece in pieces(model)}
    laid = lay(found.plan(set(held)), len(model))
    assert {one.offset: one.size for one in laid.places} == held
    content = {i: model[one.offset : one.offset + one.size] for i, one in enumerate(laid.places)}
    assert len(laid.between) == sum(end - start for start, end in gaps(len(model), laid.places))
    assert join(len(model), laid.places, content, laid.between) == model


def test_a_hand_made_plan() -> None:
    """A table with a byte in slot 1 and a string in slot 0, as the format's documentation lays it out."""
    plan = bytes([STRING, 2]) + b"hi" + bytes([TABLE, 2, 0, 0, 0, 1, 1, 7, 0])
    table = b"\x08\0\x0c\0\x08\0\x07\0" + b"\x08\0\0\0" + b"\0\0\0\x07" + b"\x04\0\0\0"
    expected = b"\x10\0\0\0" + IDENTIFIER + table + b"\x02\0\0\0hi\0\0"
    assert lay(plan, 99).between == expected


@pytest.mark.slow
def test_a_file_of_another_layout_has_no_plan() -> None:
    """The converter's own files are laid out otherwise; they pack as well, with a larger skeleton."""
    assert recorded(FOREIGN) is None
    packed = pack(FOREIGN)
    assert unpack(packed) == FOREIGN
    assert costs(packed).layout > 2 * costs(pack(ours(FOREIGN))).layout


@pytest.mark.parametrize("data", [b"", b"\x08\0\0\0TFL3" + bytes(99), FOREIGN[:7000], ours(make_model())[:-9]])
def test_what_is_no_model_has_no_plan(data: bytes) -> None:
    """Rubbish and cut-off files."""
    assert recorded(data) is None


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (bytes([HELD, 8, 8, 255, 255, 255, 127, 0]), "more than it says"),
        (bytes([VECTOR, 3, 1, 1, 0, 0, 0]), "vector of no known kind"),
        (bytes([VECTOR, 4, 4, 100, 0]), "cut short"),
        (bytes([TABLE, 1, 200, 2, 1, 0, 0]), "field of no known kind"),
        (bytes([TABLE, 1, 0, 3, 0, 0, 0, 0]), "no known width"),
        (bytes([STRING, 1, 65, TABLE, 1, 0, 0, 9, 0]), "no object"),
        (bytes([STRING, 1, 65, 0, 0]), "goes on"),
        (bytes([STRING, *[255] * 10]), "too large"),
        (bytes([9]), "unknown object"),
    ],
)
def test_plans_without_sense(plan: bytes, said: str) -> None:
    """Each is refused with its reason, before anything is allocated for it."""
    with pytest.raises(ValueError, match=said):
        lay(plan, 4096)


@pytest.mark.slow
def test_damaged_plans_end() -> None:
    """3,000 plans with a few bytes changed are laid down or refused by ValueError or IndexError."""
    found = recorded(ours(FOREIGN))
    assert found is not None
    plan, draw, refused = found.plan({piece.offset for piece in pieces(found.model)}), random.Random(1), 0  # noqa: S311
    for _ in range(3000):
        data = bytearray(plan)
        for _ in range(draw.randrange(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            lay(bytes(data), len(found.model))
        except (ValueError, IndexError):
            refused += 1
    assert 1000 < refused < 3000


@pytest.mark.slow
def test_damage_of_a_packed_plan_is_a_refusal() -> None:
    """A packed model with a plan, 40 times damaged in its code."""
    packed, draw = pack(ours(make_model())), random.Random(2)  # noqa: S311 - repeatable
    for _ in range(40):
        data = bytearray(packed)
        data[draw.randrange(40, min(160, len(data) - 4))] ^= 1 << draw.randrange(8)
        with pytest.raises(BundleDamaged):
            unpack(bytes(data))


def test_the_dictionary_is_made_from_what_is_in_the_tree() -> None:
    """The script gives the module's very text. A test that fails here asks for a new VERSION of the format."""
    spec = importlib.util.spec_from_file_location("dictionary", BENCHMARKS / "dictionary.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    plan = script.plan_of((BENCHMARKS / "dictionary.tflite").read_bytes())
    assert plan == words()
    assert script.module(plan) == script.MODULE.read_text(encoding="utf-8")
