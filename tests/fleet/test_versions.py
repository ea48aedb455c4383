"""Versions as numbers."""

from __future__ import annotations

import pytest

from bramble.fleet.versions import dotted, numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [("glibc 2.36", (2, 36)), ("3.4.30", (3, 4, 30)), ("unknown", ()), ("", ()), ("2.0rc1", (2, 0))],
)
def test_numbers(text: str, expected: tuple[int, ...]) -> None:
    """The first run of numbers."""
    assert numbers(text) == expected


def test_dotted() -> None:
    """And back; numbers compare as versions do, texts do not."""
    assert dotted(numbers("glibc 2.36")) == "2.36"
    assert numbers("2.4") < numbers("2.34")
