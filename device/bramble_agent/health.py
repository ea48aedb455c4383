"""Watch a service for a while after a switch: a release that makes it fail is taken back."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

PAUSE_S = 1.0
PATIENCE_S = 10.0  # with one try: a check that hangs is one that failed
TAIL_BYTES = 4096


def healthy(command: Sequence[str], seconds: float) -> str:
    """Try ``command`` about once a second for ``seconds``; why that is not well, "" if it is.

    In the first half it may fail (a service starts), in the second it must succeed each time.
    """
    if not command:
        return ""
    start = time.monotonic()
    while True:
        why = _tried(command)
        spent = time.monotonic() - start
        if why and spent >= seconds / 2:
            return why
        if not why and spent >= seconds:
            return ""
        time.sleep(min(PAUSE_S, max(0.05, seconds / 8)))


def _tried(command: Sequence[str]) -> str:
    """Why the command did not succeed. Its output goes to a file: a pipe would wait for all that it leaves behind."""
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            return f"the health check {command[0]!r} cannot be run: {error.strerror or error}"
        try:
            status = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"the health check {command[0]!r} did not end within {PATIENCE_S:g} s"
        finally:
            if process.returncode is None:
                _kill(process)
        return "" if status == 0 else f"the health check {command[0]!r} says {status}{_last_line(output)}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(output: IO[bytes]) -> str:
    """What it said last, for a message."""
    output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL_BYTES))
    lines = output.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1][:200]}" if lines else ""
