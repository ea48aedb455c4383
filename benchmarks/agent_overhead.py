"""Does the agent measure the runtime, or itself? Its p50 and peak memory against a bare interpreter loop, in pairs.

    python benchmarks/agent_overhead.py BUNDLE [PAIRS]

Each pair is two fresh processes in turn on the same bundle and runtime: the agent's `bench`, and the few lines of
``BARE``. The bounds: p50 at most 1.02 times the bare loop's (median over pairs), peak memory at most 8 MB more.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bramble.bundle import find_bundle, load_bundle
from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.inventory import local_board
from bramble.fleet.release.push import push
from bramble_agent.timing import percentile
from bramble_agent.wire import BenchAnswer, BenchAsk

BARE = """
import json, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter
model, golden, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
interpreter = Interpreter(model_path=model, num_threads=1)
interpreter.allocate_tensors()
value = np.load(golden)["input_0"][:1]
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
invoke, clock, samples = interpreter.invoke, time.perf_counter_ns, []
until = clock() + 500_000_000
while clock() < until:
    invoke()
for _ in range(runs):
    start = clock()
    invoke()
    samples.append(clock() - start)
peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"p50_ns": sorted(samples)[runs // 2], "peak": peak}))
"""
RUNS = 5_000


def main() -> None:
    """Print each pair and the medians."""
    path = find_bundle(Path(sys.argv[1]))
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    bundle = load_bundle(path)
    ratios, extra = [], []
    with tempfile.TemporaryDirectory() as root:
        board = replace(local_board(), root=root)
        with connect(board) as connection:
            release = push(connection, board, bundle).release
            how = BenchAsk(release, min_runs=RUNS, min_s=0.0, max_runs=RUNS, energy_s=1.0)
            for number in range(1, pairs + 1):
                agent = ask(connection, board, how, BenchAnswer)
                bare = _bare(Path(release))
                p50 = percentile(agent.samples_ns, 0.5) or 0.0
                ratios.append(p50 / bare["p50_ns"])
                extra.append((agent.peak_rss_bytes - bare["peak"]) / 1e6)
                print(f"pair {number}: agent {p50:,.0f} ns, bare {bare['p50_ns']:,} ns, {extra[-1]:+.2f} MB")
    ratio, more = statistics.median(ratios), statistics.median(extra)
    print(
        f"{bundle.manifest.name}: p50 ratio {ratio:.3f} (bound 1.02, {'kept' if ratio <= 1.02 else 'MISSED'}), ", end=""
    )
    print(f"from {min(ratios):.3f} to {max(ratios):.3f}")
    print(f"{bundle.manifest.name}: peak memory {more:+.2f} MB (bound +8, {'kept' if more <= 8 else 'MISSED'})")


def _bare(release: Path) -> dict[str, int]:
    arguments = [str(release / "model.tflite"), str(release / "golden.npz"), str(RUNS)]
    done = subprocess.run([sys.executable, "-c", BARE, *arguments], check=True, capture_output=True, text=True)
    figures: dict[str, int] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
