"""Ask this very agent something in a fresh process, and let the process end with the link that it serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TypeVar

from .codec import decode, encode
from .errors import AgentError, ModelRejected
from .wire import WIRE_VERSION, ErrorAnswer

T = TypeVar("T")

HOME = str(Path(__file__).resolve().parent.parent)  # the zip, or the folder that holds the package
# Without the folder it starts in: a file random.py in somebody's home must not stand for the library's.
START = (
    "import sys\nsys.path[:] = [sys.argv[1], *filter(None, sys.path)]\n"
    "from bramble_agent.__main__ import main\nsys.exit(main())\n"
)
PATIENCE_S = 300.0
LOOK_S = 0.5

unbroken = threading.RLock()  # held while half of the work would be worse than none: the end waits for it


def ask_afresh(request: object, kind: type[T]) -> T:
    """The answer to a request, computed by a process of its own.

    Raises what it refuses with, ModelRejected where it dies, does not come to an end, or cannot be started.
    """
    verb = type(request).__name__.replace("Ask", "").lower()
    message = json.dumps({"version": WIRE_VERSION, "ask": verb, "body": encode(request)}).encode()
    try:
        done = subprocess.run(
            [sys.executable, "-c", START, HOME], input=message, capture_output=True, check=False, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired as error:
        raise ModelRejected(f"it did not answer within {PATIENCE_S:g} s", "is the board overloaded?") from error
    except OSError as error:
        raise ModelRejected(
            f"no process can be started to try the model: {error.strerror}", "stop other programs on the board"
        ) from error
    try:
        held = json.loads(done.stdout)
    except ValueError as error:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        tail = f": {said[-1][:200]}" if said else ""
        raise ModelRejected(
            f"the runtime died on this model (status {done.returncode}){tail}", "out of memory? another runtime?"
        ) from error
    if "error" in held:
        raise _refusal(decode(ErrorAnswer, held["error"]))
    return decode(kind, held["answer"])


def _refusal(told: ErrorAnswer) -> AgentError:
    """The error that the other process refused with, with its own code."""
    error = AgentError(told.message, told.hint)
    error.code = told.code
    return error


def end_with_parent() -> None:
    """End this process once the one that started it is gone: nobody is left to hear the answer."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        with unbroken:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
