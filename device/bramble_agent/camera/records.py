"""Events as lines that can be cut anywhere: 8 hex digits of CRC-32, a space, JSON [number, event], a newline.

A line that is cut short, or in which a bit fell over, is known by its CRC and costs that one event and no other.
"""

from __future__ import annotations

import json
import zlib
from typing import List, Tuple

from ..codec import decode
from ..errors import BadRequest
from .event import Event, event_json

MOST = 1 << 62

Numbered = Tuple[int, Event]


def record(number: int, event: Event) -> bytes:
    """The line of an event."""
    payload = json.dumps([number, event_json(event)], separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(payload), payload)


def read_records(data: bytes) -> Tuple[List[Numbered], int]:
    """The events of whole lines, and how many whole lines are damaged; the end of a line that was cut is nothing."""
    *lines, _ = data.split(b"\n")
    found = [_read(line) for line in lines]
    whole = [one for one in found if one is not None]
    return whole, len(found) - len(whole)


def _read(line: bytes) -> Numbered | None:
    crc, space, payload = line.partition(b" ")
    if not space or crc != b"%08x" % zlib.crc32(payload):
        return None
    try:
        number, event = json.loads(payload)
        return (number, decode(Event, event)) if isinstance(number, int) and 0 <= number < MOST else None
    except (ValueError, TypeError, BadRequest, RecursionError):  # of another version of Bramble
        return None
