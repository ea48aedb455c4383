"""Start a service anew whenever it fails, where no systemd does it: in the foreground, until it ends well or is ended.

It heeds what systemd would: READY within a time, WATCHDOG=1 ever after, pauses that grow between starts, and a limit of
starts in a time, after which it gives up. What the service prints goes where ours goes, notes of ours in between.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..oneself import HOME, ending_gently
from ..wire import WIRE_VERSION

LOOK_S = 0.2
MESSAGE_BYTES = 4096
RUN = "import sys\nsys.path.insert(0, sys.argv.pop(1))\nfrom bramble_agent.__main__ import main\nsys.exit(main())\n"


@dataclass(frozen=True)
class Limits:
    """Times in seconds: systemd's WatchdogSec, TimeoutStartSec, TimeoutStopSec; pauses between starts, doubled each.

    ``burst`` starts within ``interval_s`` are the most (StartLimitBurst, StartLimitIntervalSec).
    """

    watchdog_s: float = 30.0
    start_s: float = 120.0
    stop_s: float = 20.0
    first_pause_s: float = 1.0
    most_pause_s: float = 30.0
    burst: int = 5
    interval_s: float = 60.0


def supervised(arguments: Sequence[str], out: IO[str]) -> int:
    """Supervise this very agent with other arguments; ended by a signal, a line on stdin, or its parent's end."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_end_by_word, args=(stop,), name="last word", daemon=True).start()

    def note(text: str) -> None:
        out.write(json.dumps({"version": WIRE_VERSION, "line": {"note": text}}) + "\n")
        out.flush()

    with ending_gently(stop.set):
        return supervise([sys.executable, "-c", RUN, HOME, *arguments], stop, note, stdout=out)


def supervise(
    command: Sequence[str],
    stop: threading.Event,
    note: Callable[[str], None],
    limits: Limits = Limits(),
    stdout: IO[str] | None = None,
) -> int:
    """Run a command until it ends with status 0, ``stop`` is set (both: 0), or it failed too often (1)."""
    starts: deque[float] = deque(maxlen=limits.burst)
    pause_s = limits.first_pause_s
    while not stop.is_set():
        now = time.monotonic()
        if len(starts) == limits.burst and now - starts[0] < limits.interval_s:
            note(f"given up: it failed {limits.burst} times within {limits.interval_s:g} s")
            return 1
        starts.append(now)
        why = _lived(command, stop, limits, stdout)
        if not why:
            break
        if time.monotonic() - now > limits.interval_s:
            pause_s = limits.first_pause_s
        note(f"{why}; next start in {pause_s:g} s")
        stop.wait(pause_s)
        pause_s = min(2.0 * pause_s, limits.most_pause_s)
    return 0


def _lived(command: Sequence[str], stop: threading.Event, limits: Limits, stdout: IO[str] | None) -> str:
    """One life of the service; why it ended, "" where it should have."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        address = str(Path(folder) / "notify")
        ears.bind(address)
        ears.settimeout(LOOK_S)
        told = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(round(limits.watchdog_s * 1e6))}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, env={**os.environ, **told})
        try:
            why = _watched(process, ears, stop, limits)
        finally:
            _end(process, limits.stop_s)
    return why


def _watched(process: subprocess.Popen[bytes], ears: socket.socket, stop: threading.Event, limits: Limits) -> str:
    ready, until = False, time.monotonic() + limits.start_s
    while process.poll() is None:
        heard = _heard(ears)
        if (not ready and "READY=1" in heard) or (ready and "WATCHDOG=1" in heard):
            ready, until = True, time.monotonic() + limits.watchdog_s
        if stop.is_set():
            return ""
        if time.monotonic() >= until:
            process.send_signal(signal.SIGABRT)
            return "it hung" if ready else f"it did not begin within {limits.start_s:g} s"
    status = process.returncode
    if status < 0:
        return f"it was killed by signal {-status}"
    return f"it failed with status {status}" if status else ""


def _heard(ears: socket.socket) -> list[str]:
    """The lines of the next message, none where none comes in time."""
    try:
        return ears.recv(MESSAGE_BYTES).decode(errors="replace").split("\n")
    except OSError:
        return []


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Have a process end: asked first, killed where that does not help."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
    process.wait()


def _end_by_word(stop: threading.Event) -> None:
    if os.read(0, 1):
        stop.set()
