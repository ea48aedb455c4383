"""bench with the real runtime: what the answer holds, how many samples it takes, and in which order memory grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
        ({"min_runs": 50, "max_runs": 20}, 20, 2),
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


def test_fields(folder: Path) -> None:
    """Threads, runtime, conditions at both ends and the energy's rung are all in the answer."""
    got = bench(open_bundle(folder), ask(folder, threads=2))
    known = installed.available()[0]
    assert (got.threads, got.runtime) == (2, f"{known.name} {known.version}")
    assert got.kernels in {"xnnpack", "builtin"}
    assert got.load_ns > 0
    assert 0 < got.cpu_s < 5
    assert got.before.clock_s <= got.after.clock_s
    assert got.before.own_cpu_s <= got.after.own_cpu_s
    assert decode(BenchAnswer, json.loads(json.dumps(encode(got)))) == got


def test_estimated_energy(folder: Path) -> None:
    """Without time for a meter the energy is the model's: the samples' CPU seconds spread over the samples."""
    got = bench(open_bundle(folder), ask(folder, min_runs=200))
    assert got.energy.method == "model"
    assert (got.energy.seconds, got.energy.inferences) == (got.cpu_s, 200)
    low, high = got.energy.interval
    assert low < got.energy.joules_per_inference < high


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
    with pytest.raises(BadRequest, match="runs at most"):
        bench(open_bundle(folder), ask(folder, max_runs=runs))


def test_bundle_without_an_input(tmp_path: Path) -> None:
    """A bundle whose golden inputs are missing is damage before anything is timed."""
    arrays = make_golden()
    del arrays["input_0"]
    bundle = open_bundle(make_bundle(tmp_path / "b", arrays=arrays))
    with pytest.raises(BundleDamaged, match="lacks input_0"):
        bench(bundle, ask(tmp_path))


def test_memory_in_a_fresh_process(folder: Path) -> None:
    """In a process of its own the runtime's megabytes show between before and loaded, and the peak is above both."""
    request = {"version": 1, "ask": "bench", "body": encode(ask(folder))}
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
    assert got.rss_before_bytes + (1 << 20) < got.rss_loaded_bytes
    assert got.rss_loaded_bytes <= got.peak_rss_bytes + (1 << 20)  # the kernel's own books may be some pages apart
    assert got.peak_rss_bytes < 1 << 30
