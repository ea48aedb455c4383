"""Lines that can be cut anywhere: what is whole is read, what is not is not."""

from __future__ import annotations

import zlib

import pytest

from agent.camera.spooling import event
from bramble_agent.camera.records import read_records, record

THREE = [record(number, event(number)) for number in range(7, 10)]
DATA = b"".join(THREE)


def test_whole() -> None:
    """Numbers and events are what was written."""
    assert read_records(DATA) == ([(number, event(number)) for number in range(7, 10)], 0)


def test_cut_at_every_byte() -> None:
    """All lines that are whole are read, and half of one is nothing: it was never acknowledged."""
    for end in range(len(DATA)):
        whole = DATA[:end].count(b"\n")
        assert read_records(DATA[:end]) == ([(number, event(number)) for number in range(7, 7 + whole)], 0), end


def test_damaged_at_every_byte() -> None:
    """Whatever byte changes, the events of the other lines are read, and the damage is counted."""
    ends = [len(THREE[0]), len(THREE[0] + THREE[1]), len(DATA)]
    for place in range(len(DATA)):
        for bit in (0x01, 0x80):
            broken = bytearray(DATA)
            broken[place] ^= bit
            whole, damaged = read_records(bytes(broken))
            hurt = {sum(end <= place for end in ends), sum(end <= place + 1 for end in ends)}  # a newline hurts two
            others = [(7 + n, event(7 + n)) for n in range(3) if n not in hurt]
            assert [one for one in whole if one in others] == others, place
            assert len(whole) < 3, place
            assert damaged or place == len(DATA) - 1, place


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"00000000 ",
        b"x",
        b"\xff" * 50,
        b"[1]",
        b'[1,{"id":"a"}]',
        b'["a","b"]',
        b"[" * 5_000,
        b"[1e999,{}]",
        b"[-1,{}]",
        b"7",
    ],
)
def test_hostile_lines(line: bytes) -> None:
    """Lines whose CRC is right and that are no events of ours are damaged, no more."""
    assert read_records(line + b"\n") == ([], 1)
    assert read_records(b"%08x %s\n" % (zlib.crc32(line), line)) == ([], 1)
