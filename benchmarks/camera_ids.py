"""What became of events, by their ids: which are lost, which came twice.

An id is "run-number", and a run counts its events from 1 without a hole: so one that nobody ever saw is known by those
after it. An event is acknowledged once the loop has told of it (it does so when every action's queue has it), or has
made a later one of the same run. The last one of a run that was killed may have been in the hands of the loop still:
if it was not told of, an action may lack it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

BEGIN = b'{"version"'
ID = b'"id": "'


@dataclass(frozen=True)
class Account:
    """``runs``, ``events`` acknowledged in all; by sink the ids ``lost``, how many came more than once (``again``)."""

    runs: int
    events: int
    lost: dict[str, list[str]]
    again: dict[str, int]
    unacknowledged: int


def account(told: Collection[str], sinks: Mapping[str, Sequence[str]]) -> Account:
    """Settle what was ``told`` against what came to each of the ``sinks``, in ids."""
    had = {name: set(ids) for name, ids in sinks.items()}
    known = set(told)
    last: dict[str, int] = {}
    for one in known.union(*had.values()):
        run, number = split(one)
        last[run] = max(number, last.get(run, 0))
    whole = [f"{run}-{number}" for run, most in last.items() for number in range(1, most + 1)]
    open_ = {f"{run}-{most}" for run, most in last.items()} - known
    lost = {name: [one for one in whole if one not in ids and one not in open_] for name, ids in had.items()}
    again = {name: len(ids) - len(had[name]) for name, ids in sinks.items()}
    halves = sum(any(one not in ids for ids in had.values()) for one in open_)
    return Account(len(last), len(whole) - halves, lost, again, halves)


def split(one: str) -> tuple[str, int]:
    """The run and the number of an id."""
    run, _, number = one.rpartition("-")
    return run, int(number)


def told_id(line: bytes) -> str:
    """The id in a line of the loop's, "" where it tells of no event; before it may stand what a killed loop began."""
    begin = line.rfind(BEGIN)
    place = line.find(ID, begin)
    if begin < 0 or place < 0 or not line.endswith(b"}\n"):
        return ""
    return line[place + len(ID) :].partition(b'"')[0].decode()
