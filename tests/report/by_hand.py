"""A benchmark, a board and a report made by hand: every figure in them is a round number that a test can check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bramble.report.facts import OnBoard, make_report
from bramble_agent.bundle import Bundle, open_bundle
from bramble_agent.wire import (
    BenchAnswer,
    BoardFacts,
    Budget,
    Energy,
    RuntimeFact,
    Scores,
    Snapshot,
    VerifyAnswer,
)
from making import make_bundle

QUIET = Snapshot(
    clock_s=1000.0,
    governor="performance",
    freq_khz=1_800_000,
    freq_max_khz=1_800_000,
    temp_c=50.0,
    throttled_bits=0,
    load1=0.1,
    busy_cpu_s=100.0,
    own_cpu_s=1.0,
)
AFTER = replace(QUIET, clock_s=1010.0, temp_c=55.5, busy_cpu_s=109.0, own_cpu_s=10.0)
ENERGY = Energy("pmic", 2.0, 1000, 10.0, 0.002, (0.001, 0.003), "two rails")
SCORES = Scores(
    accuracy=0.925,
    float_accuracy=0.9333,
    tested=360,
    float_bytes=40_000,
    parameters=9258,
    nonzero=9000,
    macs=87_360,
)
VERIFY = VerifyAnswer(True, 4, 12, 0, 0, 0.0, "0 LSB", "ai-edge-litert 2.1.0", "xnnpack")
FACTS = BoardFacts(
    model="Raspberry Pi 4 Model B",
    hostname="pi",
    machine="aarch64",
    userland_bits=64,
    system="Debian GNU/Linux 12",
    kernel="6.6.20",
    libc="glibc 2.36",
    python="3.11.2",
    cpu="Cortex-A72",
    cores=4,
    memory_bytes=4_000_000_000,
    memory_available_bytes=3_000_000_000,
    disk_free_bytes=20_000_000_000,
    clock_s=1000.0,
    runtimes=(RuntimeFact("ai-edge-litert", "2.1.0"),),
    numpy="2.1.0",
    pillow=None,
)
BITS = 0x50005  # under-voltage and throttled, now and before
MICROSECONDS = tuple(n * 1000 for n in range(1, 101))  # 1, 2, … 100 µs


def bench(samples_ns: tuple[int, ...] = MICROSECONDS, **changes: Any) -> BenchAnswer:
    """A benchmark on a quiet board."""
    answer = BenchAnswer(
        samples_ns=samples_ns,
        warmup_ns=(500_000, 200_000),
        load_ns=3_000_000,
        cpu_s=0.5,
        threads=1,
        rss_before_bytes=40_000_000,
        rss_loaded_bytes=45_000_000,
        peak_rss_bytes=52_000_000,
        runtime="ai-edge-litert 2.1.0",
        kernels="xnnpack",
        before=QUIET,
        after=AFTER,
        energy=ENERGY,
    )
    return replace(answer, **changes)


def on_board(**changes: Any) -> OnBoard:
    """What the board said."""
    return replace(OnBoard("pi", FACTS, VERIFY, bench()), **changes)


def bundle(folder: Path, **changes: Any) -> Bundle:
    """A bundle that sets a budget and carries scores; a ``name`` is put in after the check, which refuses bad ones."""
    limits = Budget(accuracy=0.9, size_bytes=20_000, p95_ms=5.0)
    name = changes.pop("name", "tiny-int8")
    held = open_bundle(make_bundle(folder, **{"budget": limits, "scores": SCORES, **changes}))
    return replace(held, manifest=replace(held.manifest, name=name))


def report(folder: Path, said: OnBoard | None = None, **changes: Any) -> dict[str, Any]:
    """The report of that bundle, on the board if nothing else is said."""
    return make_report(bundle(folder, **changes), {}, said or on_board())
