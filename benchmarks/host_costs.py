"""What does the tool itself cost? Start-up of the command line, and one request to the agent on this machine.

    python benchmarks/host_costs.py

Prints medians over fresh processes beside the bounds they must keep: `bramble --help` at most 0.3 s without TensorFlow
or paramiko, an agent's answer to `probe` at most 0.25 s.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.inventory import local_board
from bramble_agent.wire import ProbeAnswer, ProbeAsk

RUNS = 15
HEAVY = ("tensorflow", "paramiko", "keras", "numpy")


def main() -> None:
    """Print the figures."""
    help_s = _median(lambda: _run("-m", "bramble", "--help"))
    print(f"bramble --help        {help_s:.3f} s   (bound 0.300, {_word(help_s <= 0.3)})")
    heavy = [name for name in HEAVY if name in _imported()]
    print(f"  heavy imports       {', '.join(heavy) or 'none'}   ({_word(not heavy)})")
    bare_s = _median(lambda: _run("-c", "pass"))
    print(f"  python itself       {bare_s:.3f} s")
    with tempfile.TemporaryDirectory() as root:
        board = replace(local_board(), root=root)
        with connect(board) as connection:
            ask(connection, board, ProbeAsk(root), ProbeAnswer)  # puts the agent there
            probe_s = _median(lambda: ask(connection, board, ProbeAsk(root), ProbeAnswer))
    print(f"agent probe, local    {probe_s:.3f} s   (bound 0.250, {_word(probe_s <= 0.25)})")


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def _imported() -> set[str]:
    """Top-level packages that `bramble --help` imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bramble", "--help"], check=True, capture_output=True, text=True
    )
    return {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _word(kept: bool) -> str:
    return "kept" if kept else "MISSED"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
