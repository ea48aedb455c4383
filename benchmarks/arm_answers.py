"""Do ARM boards give the integers that this machine gives? Real int8 models on emulated boards, value by value.

    python benchmarks/arm_answers.py [KIND …]

Each kept int8 file of results/models is bundled with 256 pictures of its data set's training part as golden inputs; a
blank virtual board of each kind (tests/virtual_board: root, Debian's qemu-user) is set up and asked to verify it, as a
user would. Writes results/arm_answers.json; `python benchmarks/tables.py` makes the table of README.md from it.
Emulation proves what the instructions compute, not how fast.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bramble.bundle import Contents, pack
from bramble.datasets import cifar10, digits, mnist
from bramble.datasets.types import Source
from bramble_agent.wire import Budget, Pixels, Scores
from virtual_board.kinds import KINDS
from virtual_board.machine import Machine, running

HERE = Path(__file__).parent
COUNT = 256
RESULT = HERE / "results" / "arm_answers.json"


@dataclass(frozen=True)
class Case:
    """A kept model, its pictures, and the range of values that its input was trained with."""

    model: str
    source: Source
    high: float = 1.0


def cases() -> list[Case]:
    """The models that are tried, smallest first."""
    data = Path(os.environ["BRAMBLE_DATA"]).resolve()
    numbers, colours = mnist.source(data), cifar10.source(data)
    return [
        Case("digits-int8", digits.source()),
        Case("lenet300-int8", numbers),
        Case("lenet5-int8", numbers),
        Case("lenet5-structured", numbers),
        Case("resnet8-pretrained", colours, 255.0),
    ]


def main() -> None:
    """Try all models on all kinds of boards, and keep what was found."""
    rows = json.loads(RESULT.read_text()) if RESULT.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BRAMBLE_HOME"] = f"{folder}/home"
        bundles = [_bundle(case, Path(folder) / case.model) for case in cases()]
        for kind in sys.argv[1:] or KINDS:
            with running(KINDS[kind]) as machine:
                rows = [row for row in rows if row["board"] != kind]
                rows += _verified(kind, machine, bundles)
            RESULT.write_text(json.dumps(rows, indent=1) + "\n")


def _bundle(case: Case, folder: Path) -> Path:
    """A bundle of the kept file with golden answers for many pictures, spread over the training part."""
    train, _ = case.source.load()
    chosen = np.linspace(0, len(train) - 1, COUNT).astype(int)
    height, width, channels = case.source.shape
    pixels = Pixels(height, width, "gray" if channels == 1 else "rgb", 0.0, case.high, "stretch")
    scores = Scores(accuracy=0.0, float_accuracy=0.0, tested=0, float_bytes=0, parameters=0, nonzero=0, macs=0)
    contents = Contents(
        case.model, case.source.labels, pixels, "probabilities", train.take(chosen).pixels, Budget(), scores, {}
    )
    folder.mkdir()
    pack(folder, (HERE / "results" / "models" / f"{case.model}.tflite").read_bytes(), contents)
    return folder


def _verified(kind: str, machine: Machine, bundles: list[Path]) -> list[dict[str, Any]]:
    board = machine.board
    address = f"{board.user}@{board.host}:{board.port}"
    _bramble("board", "add", kind, address, "--key", board.key_file, "--fingerprint", _fingerprint(board.host_key))
    _bramble("board", "setup", kind)
    rows = []
    for bundle in bundles:
        said = _bramble("verify", str(bundle), kind)[kind]
        rows.append({"board": kind, "model": bundle.name, **said})
        print(
            f"{kind}, {bundle.name}: {said['differing']} of {said['values']:,} values differ, by at most "
            f"{said['max_lsb']} LSB ({said['runtime']}, {said['kernels']})",
            flush=True,
        )
    return rows


def _fingerprint(host_key: str) -> str:
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _bramble(*words: str) -> Any:
    done = subprocess.run([sys.executable, "-m", "bramble", *words, "--json"], check=False, stdout=subprocess.PIPE)
    if done.returncode not in (0, 3):
        raise SystemExit(f"bramble {' '.join(words)}: exit {done.returncode}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
