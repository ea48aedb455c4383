"""Reading records out of whatever a shell prints."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bramble.fleet.findings.findings import findings
from bramble.fleet.probe.describe import describe
from bramble.fleet.probe.probe import script
from bramble.fleet.probe.records import MOST, Records, integer, plain, read_records
from bramble.fleet.probe.survey import Survey
from bramble.report.survey_table import render_survey

KEYS = tuple(sorted(set(re.findall(r"say(?:_lines)? ([a-z0-9_]+)", script().decode()))))
FACTS = ("version", "tag", "bits", "platform", "venv", "pip", "numpy", "pillow", "runtimes", "prefix", "in_venv")
PIECES = (
    "video0",
    "0",
    "3-1",
    "=",
    ":",
    "\t",
    "%",
    "no",
    "3.4.30",
    "found",
    "GLIBCXX_",
    "Features",
    "\x1b[2J",
    "\ufffd",
    '"',
)
WORDS = st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join)
ODD = st.sampled_from(["3.11.2", "\x1b[2J", None, 64, float("inf"), -1, [], ["a"], {}, True])
PYTHONS = st.lists(ODD, min_size=len(FACTS), max_size=len(FACTS)).map(
    lambda values: f"/usr/bin/python3\t{json.dumps(dict(zip(FACTS, values, strict=True)))}"
)
VALUES = WORDS | PYTHONS | st.text(max_size=20).map(lambda text: text.replace("\n", ""))


def test_keys_of_the_script() -> None:
    """The fuzzed keys are those that the script says."""
    assert {"machine", "cpuinfo", "python", "hwmon", "libstdcxx", "end"} <= set(KEYS)


def test_marked_lines_only() -> None:
    """Lines with the mark are read, from the mark on; a key may come often, the order is kept."""
    stdout = b"motd\nM a=1\nhello M b=2\nX a=3\nM a=x=y\nM noequals\nM Bad=1\nM end=1"
    assert dict(read_records(stdout, "M").held) == {"a": ["1", "x=y"], "b": ["2"], "end": ["1"]}


def test_odd_bytes() -> None:
    """What is no UTF-8, and what would steer a terminal, becomes a question mark; other letters stay."""
    told = read_records("M name=Kamera für ∀\x1b[31m\u202e\r".encode() + b"\xff\n", "M")
    assert told.first("name") == "Kamera für ∀?[31m???"


def test_endless_value() -> None:
    """A value longer than any fact is left out."""
    assert read_records(b"M a=" + b"x" * (MOST + 1), "M").all("a") == ()
    assert len(read_records(b"M a=" + b"x" * MOST, "M").first("a")) == MOST


def test_endless_number() -> None:
    """A version of thousands of digits, which int() refuses, reaches nobody."""
    told = describe(read_records(b"M libc=glibc 2." + b"3" * 5_000 + b"\n", "M"), None)
    findings(told)
    assert told.libc == ""


def test_lookups() -> None:
    """The first of several keys that has a value; none is an empty text."""
    told = Records({"b": ["2", "3"]})
    assert (told.first("a", "b"), told.first("a"), told.all("b"), told.has("a")) == ("2", "", ("2", "3"), False)


@pytest.mark.parametrize(
    ("text", "value"), [("12 kB", 12), (" -3", -3), ("", None), ("x1", None), ("9" * 40, 10**18 - 1)]
)
def test_integer(text: str, value: int | None) -> None:
    """The digits at the start of a text, up to 18 of them."""
    assert integer(text) == value


@given(
    stdout=st.binary(max_size=400), more=st.lists(st.tuples(st.sampled_from(KEYS), st.binary(max_size=40)), max_size=20)
)
def test_any_bytes(stdout: bytes, more: list[tuple[str, bytes]]) -> None:
    """Whatever bytes arrive, with the mark or without, they make records that can be printed."""
    lines = b"".join(b"M " + key.encode() + b"=" + value + b"\n" for key, value in more)
    told = read_records(stdout + b"\n" + lines, "M")
    assert all(value == plain(value) for values in told.held.values() for value in values)
    describe(told, None)


@settings(deadline=None)
@example(said=[("broken_python", "video0 \t video0")])
@given(said=st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=12))
def test_any_values(said: list[tuple[str, str]]) -> None:
    """Whatever a board says, it is a survey: nothing it says is an error, and no text of it steers a terminal."""
    lines = "".join(f"M {key}={value}\n" for key, value in said)
    told = describe(read_records(lines.encode("utf-8", "replace"), "M"), None)
    assert isinstance(told, Survey)
    texts = [told.model, told.user, *told.cameras, *told.sensors, *told.broken_pythons]
    texts += [text for one in told.pythons for text in (one.path, one.version, one.numpy, *one.runtimes)]
    assert all(text == plain(text) for text in texts)
    findings(told)
    render_survey("pi", told, findings(told))
