"""Does a push to sixteen boards take at most three times as long as one to a single board?

    python benchmarks/fleet.py [BOARDS] [ROUNDS]

The boards are SSH servers on loopback with folders of their own, so this machine does all boards' work too: each board
starts its agent twice and a process for the golden answers, and that is divided by this machine's cores, not by
sixteen. Beside the times therefore stands the processor time of the host alone, which is what is left with real boards.
A round pushes one changed bundle (100 kB that do not compress, 2 % of them new) to the first board, and another to all.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bramble.bundle import load_bundle
from bramble.deploy import put
from bramble.events import OnEvent
from bramble.fleet.release.push import How, Pushed
from bramble.fleet.rollout import each
from bramble.fleet.types import Board
from bramble_agent.bundle import Bundle
from making import make_bundle, make_model
from serving import board_of, serving_many

BOUND = 3.0
PADDING = 100_000
CHANGED = PADDING // 50


def main() -> None:
    """Print each round and the medians."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder, serving_many(Path(folder), count) as servers:
        os.environ["BRAMBLE_HOME"] = f"{folder}/home"
        boards = [board_of(server, f"{server.home}/.bramble", name=f"pi{n}") for n, server in enumerate(servers)]
        padding = bytearray(chance.randbytes(PADDING))
        _pushed(boards, _changed(Path(folder), padding, chance))
        rows = []
        for number in range(1, rounds + 1):
            one = _pushed(boards[:1], _changed(Path(folder), padding, chance))
            all_ = _pushed(boards, _changed(Path(folder), padding, chance))
            rows.append((one, all_))
            print(f"round {number}: one {one[0]:.2f} s, {count} boards {all_[0]:.2f} s; host alone ", end="")
            print(f"{one[1] * 1e3:.0f} ms and {all_[1] * 1e3:.0f} ms")
    ratio = statistics.median(all_[0] / one[0] for one, all_ in rows)
    host = statistics.median(all_[1] for _, all_ in rows) / count
    print(f"{count} boards take {ratio:.1f} times as long as one ", end="")
    print(f"(bound {BOUND:g}, {'kept' if ratio <= BOUND else 'MISSED'}) on {os.cpu_count()} cores, load ", end="")
    print(f"{os.getloadavg()[0]:.1f}; processor time of the host {host * 1e3:.0f} ms a board")


def _changed(folder: Path, padding: bytearray, chance: random.Random) -> Bundle:
    """The bundle with some bytes of its model's end changed: no runtime reads those."""
    for place in chance.sample(range(PADDING), CHANGED):
        padding[place] = chance.randrange(256)
    place = Path(tempfile.mkdtemp(dir=folder))
    return load_bundle(make_bundle(place, model=make_model() + bytes(padding)))


def _pushed(boards: Sequence[Board], bundle: Bundle) -> tuple[float, float]:
    """Seconds of a push to all these boards, and processor seconds of this process in it."""

    def job(board: Board, on_event: OnEvent) -> Pushed:
        return put(bundle, board, How(), on_event)

    start, cpu = time.perf_counter(), time.process_time()
    done = each(boards, job, len(boards), lambda board, change: None)
    took = time.perf_counter() - start, time.process_time() - cpu
    for outcome in done.values():
        assert outcome.result is not None, outcome.error
        assert outcome.result.state == "current"
        assert outcome.result.sent_bytes > 0
    return took


if __name__ == "__main__":
    main()
