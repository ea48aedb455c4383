"""Watch a service for a while after a switch: a release that makes it fail is taken back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

PAUSE_S = 1.0


def healthy(command: Sequence[str], seconds: float) -> str:
    """Try ``command`` about once a second for ``seconds``; why that is not well, "" if it is.

    In the first half it may fail (a service starts), in the second it must succeed each time.
    """
    if not command:
        return ""
    start = time.monotonic()
    while True:
        why = _tried(command, max(PAUSE_S, seconds))
        spent = time.monotonic() - start
        if why and spent >= seconds / 2:
            return why
        if not why and spent >= seconds:
            return ""
        time.sleep(min(PAUSE_S, max(0.05, seconds / 8)))


def _tried(command: Sequence[str], patience_s: float) -> str:
    try:
        done = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=patience_s
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the health check {command[0]!r} failed: {error}"
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        return f"the health check {command[0]!r} says {done.returncode}" + (f": {said[-1][:200]}" if said else "")
    return ""
