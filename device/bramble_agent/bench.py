"""Latency, memory and energy of one model in one fresh process, with the conditions they were taken under.

The timed call is the interpreter's own ``invoke``, nothing of ours in between; the input is a golden picture, so that
data-dependent kernels see real values. Memory is read before the model is loaded (the runtime is imported by then),
after, and at the peak.
"""

from __future__ import annotations

import time

from . import board, energy, runtime
from .bundle import Bundle
from .errors import BadRequest
from .golden import read_golden
from .memory import peak_rss_bytes, rss_bytes
from .timing import cpu_time, sample
from .wire import BenchAnswer, BenchAsk

CPU_S = 0.5  # how long the CPU time of an inference is taken for, at least, where no instrument measures energy


def bench(bundle: Bundle, ask: BenchAsk) -> BenchAnswer:
    """Time the bundle's model as ``ask`` says; raw samples in nanoseconds come back."""
    if ask.max_runs < 1:
        raise BadRequest(f"{ask.max_runs} samples at most", "ask for at least one")
    golden = read_golden(bundle)
    runtime.import_runtime()
    rss_before = rss_bytes()
    start = time.perf_counter_ns()
    engine = runtime.load(bundle.model, ask.threads)
    load_ns = time.perf_counter_ns() - start
    for number in range(len(engine.inputs)):
        engine.set_input(number, golden[f"input_{number}"][:1])
    before = board.snapshot()
    warmup = sample(engine.invoke, ask.warmup_runs, ask.warmup_s, ask.max_s, ask.max_runs)
    rss_loaded = rss_bytes()
    cpu_start = time.process_time()
    samples = sample(engine.invoke, ask.min_runs, ask.min_s, ask.max_s, ask.max_runs)
    cpu_s = time.process_time() - cpu_start
    peak = peak_rss_bytes()
    measured = energy.measure(engine.invoke, ask.energy_s)
    after = board.snapshot()
    return BenchAnswer(
        samples_ns=tuple(samples),
        warmup_ns=tuple(warmup),
        load_ns=load_ns,
        cpu_s=cpu_s,
        threads=ask.threads,
        rss_before_bytes=rss_before,
        rss_loaded_bytes=rss_loaded,
        peak_rss_bytes=peak,
        runtime=engine.runtime,
        kernels=engine.kernels,
        before=before,
        after=after,
        energy=measured or energy.estimate(board.model(), *cpu_time(engine.invoke, min(CPU_S, ask.max_s))),
    )
