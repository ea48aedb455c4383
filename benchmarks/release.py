"""What does a push cost where little changed? Round trips and seconds for nothing, bytes for a model trained on.

    python benchmarks/release.py

A real OpenSSH server on loopback. "Nothing changed": the bundle that is current is pushed again, from connecting to
done (bounds: 0.2 s, 3 round trips; a round trip is a command or a file operation on the board). "Trained on": a dense
net of 4 MB for MNIST ($BRAMBLE_DATA), quantized to int8, then trained for another epoch and quantized anew; bound: 60 %
of its bytes, at 1 Mbit/s.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from bramble.bundle import load_bundle  # noqa: E402
from bramble.fleet.connect import connect  # noqa: E402
from bramble.fleet.release.push import push  # noqa: E402
from bramble.fleet.types import Board, Connection  # noqa: E402
from bramble.pipeline import Options, build  # noqa: E402
from bramble.reading import ReadRecipe  # noqa: E402
from bramble.recipe import Recipe  # noqa: E402
from bramble_agent.bundle import Bundle  # noqa: E402
from making import make_bundle  # noqa: E402
from proxy import Faults, proxied  # noqa: E402
from serving import board_of, serving  # noqa: E402

RUNS = 15


class Counting:
    """A connection that counts what goes to the board."""

    def __init__(self, inner: Connection) -> None:
        """Wrap ``inner``."""
        self.root, self._inner, self.trips = inner.root, inner, 0

    def __getattr__(self, name: str) -> Any:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.trips += 1
            return getattr(self._inner, name)(*arguments, **named)

        return counted


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "server") as server:
        os.environ["BRAMBLE_HOME"] = folder + "/home"
        board = board_of(server, "~/.bramble")
        _nothing(board, load_bundle(make_bundle(Path(folder) / "bundle")))
        if os.environ.get("BRAMBLE_DATA"):
            _trained_on(board, Path(folder))


def _nothing(board: Board, bundle: Bundle) -> None:
    spent, trips = [], set()
    for _ in range(RUNS + 1):  # the first brings it
        start = time.perf_counter()
        with connect(board) as connection:
            counting = Counting(connection)
            sent = push(counting, board, bundle).sent_bytes  # type: ignore[arg-type]
        spent.append(time.perf_counter() - start)
        trips.add((counting.trips, sent))
    (last,) = {pair for pair in trips if not pair[1]}
    middle = statistics.median(spent[1:])
    print(f"nothing changed: {middle:.3f} s from connecting to done, {last[0]} round trips ({_word(middle <= 0.2)})")


def _trained_on(board: Board, folder: Path) -> None:
    old, new = (load_bundle(path) for path in _models(folder))
    size = new.manifest.files["model.tflite"].size_bytes
    with connect(board) as connection:
        push(connection, board, old)
    with _slow(board) as slow, connect(slow) as connection:
        start = time.perf_counter()
        sent = push(connection, slow, new).sent_bytes
        spent = time.perf_counter() - start
    share = sent / size
    print(f"trained on: {sent:,} of {size:,} bytes sent, {share:.1%}, {spent:.1f} s ({_word(share <= 0.6)})")


@contextmanager
def _slow(board: Board) -> Iterator[Board]:
    """The board behind a link of 1 Mbit/s."""
    with proxied(board.port) as proxy:
        proxy.faults = Faults(rate=125_000)
        yield replace(board, port=proxy.port)


def _models(folder: Path) -> Iterator[Path]:
    sys.path.insert(0, str(HERE / "recipes"))
    for epochs in (1, 2):
        given = {
            "name": "trained-on",
            "data": {"name": "mnist"},
            "model": {"build": "four_megabytes:build"},
            "stage": [
                {"do": "train", "epochs": 1, "batch_size": 256, "schedule": "constant"},
                *[{"do": "train", "epochs": 1, "batch_size": 256, "learning_rate": 1e-4}] * (epochs - 1),
                {"do": "quantize", "scheme": "int8"},
            ],
        }
        read = ReadRecipe(Recipe.model_validate(given), HERE / "recipes")
        yield build(read, Options(Path(os.environ["BRAMBLE_DATA"]), folder / "runs"), lambda event: None).bundle


def _word(held: bool) -> str:
    return "held" if held else "MISSED"


if __name__ == "__main__":
    main()
