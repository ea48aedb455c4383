"""Which runtime with which numpy a board's Python gets: a table by hand of the systems that are out there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bramble.errors import IncompatibleError
from bramble.fleet.probe.survey import Interpreter
from bramble.fleet.setup.stacks import Stack, stacks_for
from bramble.fleet.setup.target import target_of

from .boards_by_hand import ARMHF, BOOKWORM, BULLSEYE, TRIXIE, board, python

NEW, OLD = "ai-edge-litert 2.3.0", "ai-edge-litert 2.1.0"
TFLITE, TFLITE_11 = "tflite-runtime 2.14.0", "tflite-runtime 2.11.0"
ONE, NEWEST = "numpy>=1.23.2,<2", "numpy>=1.23.2"
RATHER = f"{ONE} or {NEWEST}"


def stacks(changes: dict[str, Any], one: Interpreter, wanted: str = "") -> list[tuple[str, str]]:
    """What is to be tried, and the numpy that is asked for with it."""
    return [
        (stack.words, " or ".join(stack.numpy)) for stack in stacks_for(target_of(board(**changes), one), one, wanted)
    ]


@pytest.mark.parametrize(
    ("changes", "one", "expected"),
    [
        (BULLSEYE, python("3.9.2"), [(OLD, RATHER), (TFLITE, ONE)]),
        (BULLSEYE, python("3.9.2", "1.19.5"), [(OLD, ONE), (TFLITE, ONE)]),
        (BOOKWORM, python("3.11.2"), [(NEW, RATHER), (OLD, RATHER), (TFLITE, ONE)]),
        (BOOKWORM, python("3.11.2", "1.24.2"), [(NEW, ""), (OLD, ""), (TFLITE, "")]),
        (BOOKWORM, python("3.11.2", "2.1.0"), [(NEW, ""), (OLD, ""), (TFLITE, ONE)]),
        (BOOKWORM, python("3.11.2", "2.1.0", environment=True), [(NEW, RATHER), (OLD, RATHER), (TFLITE, ONE)]),
        (TRIXIE, python("3.13.5"), [(NEW, NEWEST), (OLD, NEWEST)]),
        (TRIXIE, python("3.13.5", "2.2.4"), [(NEW, ""), (OLD, "")]),
        ({}, python("3.12.3", "1.26.4"), [(NEW, ""), (OLD, "")]),
        ({}, python("3.14.0"), [(NEW, NEWEST)]),
        ({**BOOKWORM, **ARMHF}, python("3.11.2", "1.24.2", 32), [(TFLITE, "")]),
        ({**BULLSEYE, **ARMHF}, python("3.9.2", "1.19.5", 32), [(TFLITE_11, "")]),
        ({**BULLSEYE, **ARMHF}, python("3.9.2", "1.26.4", 32), [(TFLITE, ""), (TFLITE_11, "")]),
    ],
)
def test_table(changes: dict[str, Any], one: Interpreter, expected: list[tuple[str, str]]) -> None:
    """Best first; a numpy that serves is kept; what replaces one that does not is of its major version."""
    assert stacks(changes, one) == expected


def test_wanted() -> None:
    """A runtime that a person names is the only one that is tried."""
    assert stacks(BOOKWORM, python("3.11.2"), "tflite-runtime") == [(TFLITE, ONE)]
    assert stacks(BOOKWORM, python("3.11.2"), "ai-edge-litert") == [(NEW, RATHER), (OLD, RATHER)]


@pytest.mark.parametrize(
    ("changes", "one", "wanted", "reason", "way_out"),
    [
        ({**BOOKWORM, **ARMHF}, python("3.11.2", "", 32), "", "PyPI has no numpy", "apt install python3-numpy"),
        ({**BOOKWORM, **ARMHF}, python("3.11.2", "2.2.0", 32), "", "numpy 2.2.0 there does not serve", "--wheels"),
        ({**TRIXIE, **ARMHF}, python("3.13.5", "2.2.4", 32), "", "Python 3.13 on armv7l.*3.9 to 3.11", "64-bit system"),
        ({**BOOKWORM, **ARMHF}, python("3.11.2", "1.24.2", 32), "ai-edge-litert", "no ai-edge-litert", "tflite-runt"),
        (TRIXIE, python("3.13.5"), "tflite-runtime", "no tflite-runtime for Python 3.13", "leave out --runtime"),
        ({}, python("3.15.0"), "", "no TFLite runtime for Python 3.15 on aarch64", "3.9 to 3.14"),
    ],
)
def test_refusals(changes: dict[str, Any], one: Interpreter, wanted: str, reason: str, way_out: str) -> None:
    """What cannot be is refused with the reason and the way out; exit code 6."""
    with pytest.raises(IncompatibleError, match=reason) as caught:
        stacks(changes, one, wanted)
    assert re.search(way_out, caught.value.hint)
    assert caught.value.exit_code == 6


def test_a_folder_of_wheels() -> None:
    """Of a folder all versions are tried: LiteRT first, of each the newest first, by numbers."""
    one = python("3.11.2")
    held = [("tflite-runtime", "2.9.1"), ("ai-edge-litert", "1.4.0"), ("tflite-runtime", "2.14.0")]
    held += [("ai-edge-litert", "2.10.0"), ("ai-edge-litert", "2.9.0")]
    found = stacks_for(target_of(board(), one), one, "", held)
    assert [stack.words.split()[1] for stack in found] == ["2.10.0", "2.9.0", "1.4.0", "2.14.0", "2.9.1"]
    assert found[-1] == Stack("tflite-runtime", "2.9.1", ("numpy>=1.19.5,<2",))


def test_a_folder_may_have_what_the_index_has_not() -> None:
    """With a folder, a 32-bit board without numpy is no dead end: the folder may hold one."""
    one = python("3.11.2", bits=32)
    found = stacks_for(target_of(board(**ARMHF), one), one, "", [("tflite-runtime", "2.14.0")])
    assert found == [Stack("tflite-runtime", "2.14.0", (ONE,))]


def test_a_folder_without_runtimes() -> None:
    """A folder that holds no runtime says so."""
    one = python("3.11.2")
    with pytest.raises(IncompatibleError, match="holds no ai-edge-litert and no tflite-runtime"):
        stacks_for(target_of(board(), one), one, "", [])
