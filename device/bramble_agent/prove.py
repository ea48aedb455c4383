"""Prove an environment: its Python imports the runtime and runs a model of one operator whose answer is known.

In a process of its own, with the very loader that requests will use. A runtime can install and still not run: a library
that is absent, another numpy ABI, an instruction that this CPU lacks.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import RuntimeMissing
from .wire_install import Proof

PATIENCE_S = 300.0
OURS = Path(__file__).parent.parent  # the agent's zip
PROGRAM = """
import base64, json, sys
sys.path.insert(0, sys.argv[1])
from bramble_agent.runtime import load
import numpy
asked = json.load(sys.stdin)
engine = load(base64.b64decode(asked["model"]))
spec = engine.inputs[0]
answer = engine.run(numpy.array(asked["input"], dtype=spec.dtype).reshape(spec.shape))[0]
print(json.dumps([engine.runtime, numpy.__version__, answer.ravel().tolist()]))
"""


@dataclass(frozen=True)
class Proved:
    """What answered: "ai-edge-litert 2.3.0", and numpy's version."""

    runtime: str
    numpy: str


def prove(python: Path, proof: Proof, runtime: str) -> Proved:
    """Run the proof in that Python; it must be ``runtime`` that answers. Raises RuntimeMissing with the cause."""
    asked = json.dumps({"model": proof.model_base64, "input": proof.input})
    try:
        done = subprocess.run(
            [str(python), "-c", PROGRAM, str(OURS)],
            input=asked,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
        if done.returncode:
            raise _refused(runtime, done)
        name, numpy, answer = json.loads(done.stdout.strip().splitlines()[-1])
    except (subprocess.TimeoutExpired, OSError, ValueError, IndexError) as error:
        raise RuntimeMissing(f"{runtime} gives no answer: {error}", "set the board up again") from error
    if name != runtime:
        raise RuntimeMissing(
            f"{name} answers instead of {runtime}: it is among the system's packages",
            f"remove it there (pip uninstall {name.split()[0]}), or set up with that runtime",
        )
    if [float(value) for value in answer] != [float(value) for value in proof.output]:
        raise RuntimeMissing(
            f"{runtime} answers {answer}, right is {list(proof.output)}", "choose the other: --runtime"
        )
    return Proved(name, numpy)


def _refused(runtime: str, done: subprocess.CompletedProcess[str]) -> RuntimeMissing:
    said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    if done.returncode < 0:
        number = -done.returncode
        what = "an instruction that this CPU lacks" if number == signal.SIGILL else signal.Signals(number).name
        return RuntimeMissing(f"{runtime} was killed at its first model: {what}", "choose the other: --runtime")
    absent = re.search(r"(lib\S+?\.so[.\d]*): cannot open", done.stderr)
    if absent:
        package = "libstdc++6" if absent[1].startswith("libstdc++") else f"the package with {absent[1]}"
        return RuntimeMissing(
            f"{runtime} does not import: {absent[1]} is not there", f"on the board: sudo apt install {package}"
        )
    return RuntimeMissing(
        f"{runtime} does not run here: {said[-1].rpartition('Error: ')[2]}", "choose the other: --runtime"
    )
