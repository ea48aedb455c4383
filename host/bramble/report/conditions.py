"""Typed warnings about the conditions a benchmark ran under: what was seen, and what to do about it.

A number without its governor, temperature and throttling is no number; a warning here is what makes a verdict
undecided.
"""

from __future__ import annotations

from dataclasses import dataclass

from bramble_agent.timing import interval, percentile
from bramble_agent.wire import BenchAnswer

THROTTLE_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
HOT_C = 80.0
BUSY_CORES = 0.5
NOISY = 0.25


@dataclass(frozen=True)
class Warn:
    """One warning; ``code`` is stable, for scripts. ``spoils`` says that latencies cannot be trusted."""

    code: str
    message: str
    advice: str
    spoils: bool = False


def warnings_of(bench: BenchAnswer) -> list[Warn]:
    """Everything about the benchmark's conditions that a reader must know."""
    found = [_throttled(bench), _hot(bench), _governor(bench), _busy(bench), _noisy(bench)]
    return [one for one in found if one is not None]


def _throttled(bench: BenchAnswer) -> Warn | None:
    before, after = bench.before.throttled_bits, bench.after.throttled_bits
    if before is None or after is None:
        return None
    now = before | after | ((after & ~before) >> 16)  # active at either end, or newly set since boot
    names = [name for bit, name in THROTTLE_BITS.items() if now >> bit & 1]
    if not names:
        return None
    return Warn("throttled", f"the board was {', '.join(names)}", "a better power supply, or cooling", spoils=True)


def _hot(bench: BenchAnswer) -> Warn | None:
    temp = bench.after.temp_c
    if temp is None or temp < HOT_C:
        return None
    return Warn("hot", f"{temp:.0f} °C at the end", "cool the board: it slows itself down at 80 to 85 °C", spoils=True)


def _governor(bench: BenchAnswer) -> Warn | None:
    governor = bench.before.governor
    if governor in (None, "performance"):
        return None
    return Warn("governor", f"the CPU governor is {governor!r}", "set 'performance' for steady latencies")


def _busy(bench: BenchAnswer) -> Warn | None:
    """Other processes' CPU during the window, in cores."""
    start, end = bench.before.busy_cpu_s, bench.after.busy_cpu_s
    seconds = bench.after.clock_s - bench.before.clock_s
    if start is None or end is None or seconds <= 0:
        return None
    others = (end - start - (bench.after.own_cpu_s - bench.before.own_cpu_s)) / seconds
    if others < BUSY_CORES:
        return None
    return Warn("busy", f"other processes used {others:.1f} cores meanwhile", "stop them, or read p50 only")


def _noisy(bench: BenchAnswer) -> Warn | None:
    middle, spread = percentile(bench.samples_ns, 0.5), interval(bench.samples_ns, 0.5)
    if middle is None or spread is None or (spread[1] - spread[0]) / middle < NOISY:
        return None
    wide = (spread[1] - spread[0]) / middle
    return Warn("noisy", f"the median is only known to {wide:.0%}", "measure longer, on a quiet board", spoils=True)
