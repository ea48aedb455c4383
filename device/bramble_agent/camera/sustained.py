"""A loop that can go on for months: it slows down before the board throttles, keeps to its share of the processor.

Every STEP_S a thread reads the temperature T, and the share c of one core's time that the loop used (2: two cores); L
is where the board would throttle. Two shares of the full rate follow, each within LEAST..1; the lower one counts:

    heat  r ← 0.8 r         where T > L − 4 °C (the board throttles already: 0.7 r)
          r ← r + 0.05      where T < L − 8 °C; between the two it stays (so it settles and does not swing)
    cpu   r ← r · cap / c   where c > cap (halved at most), or where c < 0.9 cap (a quarter more at most)

A board throttles all at once, to half its clock: frames would come late and unevenly. What is written is only counted:
who writes keeps to the budget.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import board
from ..wire_camera import CameraAsk, SustainedStatus
from .brake import Brake
from .written import Written, written_bytes

STEP_S = 2.0
BITS_EVERY = 5  # steps: the firmware's bits may cost a process
NEAR_C, COOL_C = 4.0, 8.0
DOWN, DOWN_HARD, UP = 0.8, 0.7, 0.05
MOST_LESS, MOST_MORE, ROOMY = 0.5, 1.25, 0.9
LEAST = 0.1
THROTTLED = 0b1110  # clock capped, throttled, soft limit: now (not under-voltage, which is no heat)
ENDING_S = 6.0


@dataclass(frozen=True)
class Reading:
    """The board and this process at one moment, by a clock that is never set."""

    now_s: float
    temp_c: float | None
    throttled: bool | None
    cpu_s: float
    written: int | None


class Sustained:
    """``step`` takes one reading after the other and sets the brake; ``status`` may be asked by any thread."""

    def __init__(self, ask: CameraAsk, brake: Brake, limit_c: float) -> None:
        """Full rate."""
        self._cap, self._budget = ask.cpu, ask.write_bytes_per_day
        self._brake, self._limit_c = brake, limit_c
        self._heat = self._cpu = 1.0
        self._last: Reading | None = None
        self._written = Written()
        self._status = SustainedStatus(limit_c=limit_c, day_budget_bytes=self._budget)

    def status(self) -> SustainedStatus:
        """After the latest step."""
        return self._status

    def step(self, now: Reading) -> None:
        """Judge a reading."""
        used = self._used(now)
        self._heat = after_heat(self._heat, now, self._limit_c)
        if self._cap is not None and used is not None:
            self._cpu = after_use(self._cpu, used, self._cap)
        self._written.note(now.now_s, now.written)
        self._brake.rate = rate = min(self._heat, self._cpu)
        self._last = now
        self._status = SustainedStatus(
            temp_c=now.temp_c,
            limit_c=None if now.temp_c is None else self._limit_c,
            throttled=now.throttled,
            rate=rate,
            why="" if rate >= 1.0 else "heat" if self._heat <= self._cpu else "cpu",
            cpu=used,
            written_bytes=self._written.total,
            day_bytes=self._written.day,
            day_budget_bytes=self._budget,
        )

    def _used(self, now: Reading) -> float | None:
        if self._last is None or now.now_s <= self._last.now_s:
            return None
        return (now.cpu_s - self._last.cpu_s) / (now.now_s - self._last.now_s)


def after_heat(rate: float, now: Reading, limit_c: float) -> float:
    """The share of the full rate that a temperature leaves."""
    if now.throttled:
        return max(LEAST, rate * DOWN_HARD)
    if now.temp_c is None:
        return min(1.0, rate + UP)
    if now.temp_c > limit_c - NEAR_C:
        return max(LEAST, rate * DOWN)
    return min(1.0, rate + UP) if now.temp_c < limit_c - COOL_C else rate


def after_use(rate: float, used: float, cap: float) -> float:
    """The share of the full rate that a limit on the processor's time leaves."""
    if used > cap:
        return max(LEAST, rate * max(MOST_LESS, cap / used))
    if used < ROOMY * cap:
        return min(1.0, rate * min(MOST_MORE, cap / max(used, 1e-9)))
    return rate


@contextmanager
def sustaining(ask: CameraAsk, brake: Brake, root: Path = board.ROOT) -> Iterator[Callable[[], SustainedStatus]]:
    """Within, a thread keeps the loop at a rate that the board bears; gives where to ask how it does."""
    held = Sustained(ask, brake, board.throttles_at_c(root))
    over = threading.Event()

    def work() -> None:
        count, throttled = 0, None
        while not over.is_set():
            throttled = _throttled(root) if count % BITS_EVERY == 0 else throttled
            held.step(_reading(root, throttled))
            count += 1
            over.wait(STEP_S)

    thread = threading.Thread(target=work, name="sustained", daemon=True)
    thread.start()
    try:
        yield held.status
    finally:
        over.set()
        thread.join(ENDING_S)


def _reading(root: Path, throttled: bool | None) -> Reading:
    times = os.times()
    return Reading(time.monotonic(), board.temp_c(root), throttled, times.user + times.system, written_bytes(root))


def _throttled(root: Path) -> bool | None:
    bits = board.throttled_bits(root)
    return None if bits is None else bool(bits & THROTTLED)
