"""Ask this very agent something in another process, say that we live, and end with the link that we serve."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from .codec import decode, encode
from .errors import AgentError, ModelRejected
from .wire import WIRE_VERSION, ErrorAnswer

T = TypeVar("T")

HOME = str(Path(__file__).resolve().parent.parent)  # the zip, or the folder that holds the package
# Without the folder it starts in: a file random.py in somebody's home must not stand for the library's.
START = (
    "import sys\nsys.path[:] = [sys.argv[1], *filter(None, sys.path)]\n"
    "from bramble_agent.__main__ import serve\nserve()\n"
)
PATIENCE_S = 300.0
LOOK_S = 0.5
BREATH_S = 5.0
BLOCK = 1 << 16
DYING_S = 10.0
GENTLY_S = 10.0
LISTEN_S = 1.0  # what it started itself may hold its stderr open

unbroken = threading.RLock()  # held while half of the work would be worse than none: the end waits for it
_endings: list[Callable[[], None]] = []  # of ``ending_gently``
_kept: list[Another] = []  # the process of ``one_process``


class Another:
    """A process of this agent that answers question after question; it starts with the first."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._line, self._theirs = socket.socketpair()
        self._said = b""
        self._listener: threading.Thread | None = None

    def ask(self, request: object, kind: type[T]) -> T:
        """The answer. Raises what it refuses with, ModelRejected where it dies, hangs, or cannot be started."""
        verb = type(request).__name__.replace("Ask", "").lower()
        line = json.dumps({"version": WIRE_VERSION, "ask": verb, "body": encode(request)}).encode() + b"\n"
        try:
            self._process = self._process or self._start()
        except OSError as error:
            raise ModelRejected(
                f"no process can be started to try the model: {error.strerror}", "stop other programs on the board"
            ) from error
        try:
            held = json.loads(self._exchange(line))
        except socket.timeout as error:
            raise ModelRejected(f"it did not answer within {PATIENCE_S:g} s", "is the board overloaded?") from error
        except ValueError as error:
            raise self._death(self._process) from error
        if "error" in held:
            raise _refusal(decode(ErrorAnswer, held["error"]))
        return decode(kind, held["answer"])

    def end(self) -> None:
        """End the process: it keeps nothing."""
        if self._process is not None:
            self._process.terminate()
            _ended(self._process)
        self._line.close()
        self._theirs.close()
        if self._listener is not None:
            self._listener.join(LISTEN_S)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", START, HOME]
        with self._theirs as theirs:
            started = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE, bufsize=0
            )
        self._listener = threading.Thread(target=self._listen, args=(started.stderr,), daemon=True)
        self._listener.start()
        return started

    def _listen(self, stderr: IO[bytes]) -> None:
        """Keep the end of what it says: a pipe that nobody reads would fill up."""
        with stderr:
            for block in iter(lambda: stderr.read(BLOCK), b""):
                self._said = (self._said + block)[-BLOCK:]

    def _exchange(self, line: bytes) -> bytes:
        """Send a line and read one; what came of it where the process ends."""
        self._line.settimeout(PATIENCE_S)
        got = b""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._line.sendall(line)
            while not got.endswith(b"\n"):
                block = self._line.recv(BLOCK)
                if not block:
                    break
                got += block
        return got

    def _death(self, process: subprocess.Popen[bytes]) -> ModelRejected:
        """The error for a process that gave no answer: with its status and last words."""
        status = _ended(process)
        if self._listener is not None:
            self._listener.join(LISTEN_S)
        lines = self._said.decode(errors="replace").strip().splitlines()
        tail = f": {lines[-1][:200]}" if lines else ""
        return ModelRejected(
            f"the runtime died on this model (status {status}){tail}", "out of memory? another runtime?"
        )


def _ended(process: subprocess.Popen[bytes]) -> int:
    """The status of a process that is about to end; one that does not is killed."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(DYING_S)
    process.kill()
    return process.wait()


def ask_afresh(request: object, kind: type[T]) -> T:
    """The answer to a request, computed by another process: one of its own, or that of ``one_process``.

    Raises what it refuses with, ModelRejected where it dies, does not come to an end, or cannot be started.
    """
    if _kept:
        return _kept[-1].ask(request, kind)
    with one_process():
        return _kept[-1].ask(request, kind)


@contextmanager
def one_process() -> Iterator[None]:
    """Within, every question goes to the same process, so that NumPy and runtime are imported once."""
    another = Another()
    _kept.append(another)
    try:
        yield
    finally:
        _kept.remove(another)
        another.end()


def _refusal(told: ErrorAnswer) -> AgentError:
    """The error that the other process refused with, with its own code."""
    error = AgentError(told.message, told.hint)
    error.code = told.code
    return error


@contextmanager
def breathing() -> Iterator[None]:
    """Within, an empty line goes to stderr every few seconds: a host that hears nothing knows that the link is dead."""
    over = threading.Event()

    def breathe() -> None:
        with suppress(OSError):
            while not over.wait(BREATH_S):
                os.write(2, b"\n")

    threading.Thread(target=breathe, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def end_with_parent() -> None:
    """End this process once the one that started it is gone: nobody is left to hear the answer."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        for ending in list(_endings):
            ending()
            time.sleep(GENTLY_S)
        with unbroken:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def ending_gently(ending: Callable[[], None]) -> Iterator[None]:
    """Within, ``end_with_parent`` calls ``ending`` first, which has GENTLY_S to bring the process to its end."""
    _endings.append(ending)
    try:
        yield
    finally:
        _endings.remove(ending)
