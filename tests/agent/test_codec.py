"""The codec is strict: only what fits the dataclass comes in, and what goes out comes back equal."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple  # noqa: UP035 - as wire writes them, for Python 3.9

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bramble_agent import wire
from bramble_agent.codec import decode, encode
from bramble_agent.errors import BadRequest


@dataclass(frozen=True)
class Leaf:
    """One of each scalar."""

    text: str
    number: int
    real: float = 0.5
    flag: bool = False


@dataclass(frozen=True)
class Tree:
    """One of each container, nested."""

    leaf: Leaf
    maybe: Optional[Leaf] = None  # noqa: UP045
    many: Tuple[Tuple[int, ...], ...] = ()  # noqa: UP006
    named: Dict[str, Tuple[Leaf, ...]] = field(default_factory=dict)  # noqa: UP006


FULL = Tree(Leaf("a", 1, 2.5, True), Leaf("b", -2), ((1, 2), (), (3,)), {"x": (Leaf("c", 3),), "": ()})
FULL_JSON: dict[str, Any] = {
    "leaf": {"text": "a", "number": 1, "real": 2.5, "flag": True},
    "maybe": {"text": "b", "number": -2, "real": 0.5, "flag": False},
    "many": [[1, 2], [], [3]],
    "named": {"x": [{"text": "c", "number": 3, "real": 0.5, "flag": False}], "": []},
}


def test_encode_by_hand() -> None:
    """A nested value encodes to the JSON written out above."""
    assert encode(FULL) == FULL_JSON


def test_decode_by_hand() -> None:
    """That JSON decodes to the value, with tuples for lists all the way down."""
    assert decode(Tree, FULL_JSON) == FULL


def test_defaults_may_be_left_out() -> None:
    """Keys with a default may be missing; None may be given where Optional allows it."""
    assert decode(Tree, {"leaf": {"text": "a", "number": 1}, "maybe": None}) == Tree(Leaf("a", 1))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("extra",), 1, "Tree: unknown key 'extra'"),
        (("leaf", "extra"), 1, "Tree.leaf: unknown key 'extra'"),
        (("leaf",), None, "Tree.leaf: expected an object, got NoneType"),
        (("leaf",), [], "Tree.leaf: expected an object, got list"),
        (("leaf", "text"), 1, "Tree.leaf.text: expected str, got int"),
        (("leaf", "number"), "1", "Tree.leaf.number: expected int, got str"),
        (("leaf", "number"), 1.0, "Tree.leaf.number: expected int, got float"),
        (("leaf", "number"), True, "Tree.leaf.number: expected int, got bool"),
        (("leaf", "real"), True, "Tree.leaf.real: expected float, got bool"),
        (("leaf", "real"), "1.0", "Tree.leaf.real: expected float, got str"),
        (("leaf", "real"), 10**400, "Tree.leaf.real: expected a number that a float can hold, got int"),
        (("leaf", "flag"), 1, "Tree.leaf.flag: expected bool, got int"),
        (("many",), {}, "Tree.many: expected a list, got dict"),
        (("many", 2, 0), None, "Tree.many[2][0]: expected int, got NoneType"),
        (("many",), "12", "Tree.many: expected a list, got str"),
        (("named",), [], "Tree.named: expected an object, got list"),
        (("named", "x", 0), 7, "Tree.named.x[0]: expected an object, got int"),
        (("maybe", "number"), None, "Tree.maybe.number: expected int, got NoneType"),
    ],
)
def test_refusals_name_the_place(path: tuple[str | int, ...], value: object, message: str) -> None:
    """One wrong value anywhere is refused with the path to it."""
    tree = json.loads(json.dumps(FULL_JSON))
    parent = tree
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    with pytest.raises(BadRequest) as caught:
        decode(Tree, tree)
    assert caught.value.message == message
    assert caught.value.hint


def test_missing_key() -> None:
    """A key without a default that is missing is refused by name."""
    with pytest.raises(BadRequest, match=r"^Tree\.leaf: key 'number' is missing$"):
        decode(Tree, {"leaf": {"text": "a"}})


def test_where_is_used() -> None:
    """The caller's own name for the message leads the path."""
    with pytest.raises(BadRequest, match=r"^bench: unknown key 'x'$"):
        decode(Leaf, {"text": "a", "number": 1, "x": 2}, "bench")


def test_integers_are_floats_but_not_the_reverse() -> None:
    """JSON writers drop ``.0``: 2 decodes to the float 2.0."""
    real = decode(Leaf, {"text": "a", "number": 1, "real": 2}).real
    assert (real, type(real)) == (2.0, float)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e308, 5e-324, 0.1])
def test_floats_survive_json(value: float) -> None:
    """Extreme floats come back as the same bits after a trip through JSON text."""
    assert decode(Leaf, json.loads(json.dumps(encode(Leaf("a", 1, value))))).real == value


KINDS = [kind for kind in vars(wire).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)]


def test_every_wire_class_is_looked_at() -> None:
    """The round trips below see the whole contract, from the manifest to the refusals."""
    assert {"Manifest", "BenchAsk", "BenchAnswer", "ErrorAnswer", "Energy"} <= {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_round_trip_of_every_wire_class(kind: type, data: st.DataObject) -> None:
    """Any value of any wire class survives encode, JSON text and decode."""
    value = data.draw(st.from_type(kind))
    again: object = decode(kind, json.loads(json.dumps(encode(value))))
    assert _same(again, value)


def _same(one: object, other: object) -> bool:
    """Equal to the last bit and type: 1, 1.0 and True differ, nan is nan, -0.0 is not 0.0."""
    return repr(one) == repr(other)
