"""When a frame was taken, of what a driver says: believed where it can be true."""

from __future__ import annotations

BELIEVED_NS = 10_000_000_000


def taken_ns(stamp_ns: int, now_ns: int) -> int:
    """A driver's time stamp, never in the future; ``now_ns`` where it is none or lies too far back to be one.

    Drivers stamp frames a little ahead (vivid by up to a frame), old ones in another clock or not at all.
    """
    return min(stamp_ns, now_ns) if abs(now_ns - stamp_ns) < BELIEVED_NS else now_ns
