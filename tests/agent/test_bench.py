"""bench with the real runtime: what the answer holds, how many samples it takes, and in which order memory grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bramble_agent import installed, runtime
from bramble_agent.bench import bench
from bramble_agent.bundle import open_bundle
from bramble_agent.codec import decode, encode
from bramble_agent.errors import BadRequest, BundleDamaged
from bramble_agent.wire import BenchAnswer, BenchAsk
from making import int8_answers, make_bundle, make_golden

QUICK = {"warmup_runs": 2, "warmup_s": 0.0, "min_runs": 10, "min_s": 0.0, "max_s": 30.0, "energy_s": 0.0}


def ask(folder: Path, **changes: float) -> BenchAsk:
    """A request for few runs."""
    return decode(BenchAsk, {"bundle": str(folder), **QUICK, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle; tests only read it."""
    return make_bundle(tmp_path_factory.mktemp("bench") / "b")


@pytest.mark.parametrize(
    ("changes", "samples", "warmups"),
    [
        ({}, 10, 2),
        ({"min_runs": 50, "warmup_runs": 7}, 50, 7),
        ({"min_runs": 50, "max_runs": 20}, 13, 2),  # the 1st, 5th, 9th, … 49th of 50
        ({"min_runs": 0, "warmup_runs": 0}, 1, 1),
    ],
)
def test_counts(changes: dict[str, float], samples: int, warmups: int, folder: Path) -> None:
    """As many samples and warm-ups as were asked for, apart from each other."""
    got = bench(open_bundle(folder), ask(folder, **changes))
    assert (len(got.samples_ns), len(got.warmup_ns)) == (samples, warmups)
    assert all(value > 0 for value in (*got.samples_ns, *got.warmup_ns))


def test_least_time_is_kept(folder: Path) -> None:
    """With a least time of 50 ms the samples of this tiny model go on long after the least count."""
    got = bench(open_bundle(folder), ask(folder, min_s=0.05))
    assert len(got.samples_ns) > 10
    assert sum(got.samples_ns) <= 5e9


def test_least_time_is_kept_however_few_samples_are(folder: Path) -> None:
    """Keeping 20 samples at most does not end it before 0.3 s: the process spends two thirds of that computing."""
    got = bench(open_bundle(folder), ask(folder, min_s=0.3, max_runs=20))
    assert 10 <= len(got.samples_ns) <= 20
    assert got.after.clock_s - got.before.clock_s >= 0.3


def test_fields(folder: Path) -> None:
    """Threads, runtime, conditions at both ends and the energy's rung are all in the answer."""
    got = bench(open_bundle(folder), ask(folder, threads=2))
    known = installed.available()[0]
    assert (got.threads, got.runtime) == (2, f"{known.name} {known.version}")
    assert got.kernels.split("/")[0] in {"xnnpack", "builtin"}
    assert got.load_ns > 0
    assert 0 < got.cpu_s < 5
    assert got.before.clock_s <= got.after.clock_s
    assert got.before.own_cpu_s <= got.after.own_cpu_s
    assert decode(BenchAnswer, json.loads(json.dumps(encode(got)))) == got


def test_estimated_energy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without time for a meter the energy is the model's, from a bare loop: 2 s for 500 calls is 4 ms each, at 5 W."""
    asked: list[float] = []

    def loop(work: Callable[[], object], seconds: float) -> tuple[float, int]:
        asked.append(seconds)
        return 2.0, 500

    monkeypatch.setattr("bramble_agent.bench.cpu_time", loop)
    monkeypatch.setattr("bramble_agent.board.model", lambda: "a board nobody knows")
    got = bench(open_bundle(folder), ask(folder)).energy
    assert (got.method, got.seconds, got.inferences) == ("model", 2.0, 500)
    assert got.joules_per_inference == pytest.approx(0.02)
    assert got.interval == pytest.approx((0.004, 0.06))
    assert asked == [0.5]


@pytest.mark.slow
def test_the_runtime_is_no_part_of_the_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is first read after the runtime was imported, and the import's time is not the loading's."""
    order: list[str] = []

    def slow() -> None:
        order.append("import")
        time.sleep(1.0)

    def read() -> int:
        order.append("rss")
        return 7

    monkeypatch.setattr(runtime, "import_runtime", slow)
    monkeypatch.setattr("bramble_agent.bench.rss_bytes", read)
    got = bench(open_bundle(folder), ask(folder))
    assert order == ["import", "rss", "rss"]
    assert got.load_ns < 1_000_000_000


def test_runs_on_a_golden_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed is the first golden picture: its answer is in the output when the bench is over."""
    engines: list[runtime.Engine] = []
    load = runtime.load

    def remember(model: Path | bytes, threads: int = 1) -> runtime.Engine:
        engines.append(load(model, threads))
        return engines[-1]

    monkeypatch.setattr(runtime, "load", remember)
    bench(open_bundle(folder), ask(folder))
    assert engines[0].output(0).tolist() == [int8_answers()[0].tolist()]


@pytest.mark.parametrize("runs", [0, -5])
def test_no_runs_allowed(runs: int, folder: Path) -> None:
    """A request that allows no run is refused; an answer without samples could not be summed up."""
    with pytest.raises(BadRequest, match="samples at most"):
        bench(open_bundle(folder), ask(folder, max_runs=runs))


def test_bundle_without_an_input(tmp_path: Path) -> None:
    """A bundle whose golden inputs are missing is damage before anything is timed."""
    arrays = make_golden()
    del arrays["input_0"]
    bundle = open_bundle(make_bundle(tmp_path / "b", arrays=arrays))
    with pytest.raises(BundleDamaged, match="lacks input_0"):
        bench(bundle, ask(tmp_path))


def test_memory_in_a_fresh_process(folder: Path) -> None:
    """In a fresh process the runtime's megabytes are in before, the tiny model's few above it, the peak over all."""
    request = {"version": 2, "ask": "bench", "body": encode(ask(folder))}
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-m", "bramble_agent"],
        input=json.dumps(request).encode(),
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        check=True,
    )
    got = decode(BenchAnswer, json.loads(done.stdout)["answer"])
    assert got.rss_before_bytes > 5 << 20
    assert got.rss_before_bytes < got.rss_loaded_bytes < got.rss_before_bytes + (20 << 20)
    assert got.rss_loaded_bytes <= got.peak_rss_bytes + (1 << 20)  # the kernel's own books may be some pages apart
    assert got.peak_rss_bytes < 1 << 30
