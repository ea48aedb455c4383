"""One bench at a time on a board: an flock on <root>/bench.lock, with a line inside that says who holds it.

The kernel lets go of the lock when its process ends, however it ends, so none is ever stale; and the agent ends with
the link that it serves (``oneself.end_with_parent``), so none outlives the host that wants the answer.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import Busy, StorageFailed

TRY_S = 0.2
LONGEST = 4096  # bytes of the line


@contextmanager
def leased(root: Path, who: str, wait_s: float) -> Iterator[None]:
    """Hold the board alone while the work inside runs; wait for it no longer than ``wait_s`` seconds.

    Raises Busy, which names the holder, and StorageFailed where the lock cannot be written.
    """
    path = root / "bench.lock"
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StorageFailed(f"{path}: {error.strerror}", "check the permissions") from error
    try:
        _take(lock, time.monotonic() + wait_s)
        _tell(lock, json.dumps({"who": who, "pid": os.getpid(), "since_s": time.time()}))
        yield
        _tell(lock, "")
    finally:
        os.close(lock)


def _take(lock: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise Busy(f"{_holder(lock)} benches there", "wait for it: --wait SECONDS") from error
            time.sleep(TRY_S)
        else:
            return


def _holder(lock: int) -> str:
    """Who holds the lock, and since when; in the moment between taking it and writing it that is not known."""
    try:
        held = json.loads(os.pread(lock, LONGEST, 0))
        return f"{held['who']}, for {max(0.0, time.time() - held['since_s']):.0f} s now,"
    except (ValueError, KeyError, TypeError):
        return "somebody else"


def _tell(lock: int, text: str) -> None:
    """Replace what the file says; on a full disk it says nothing, the lock holds all the same."""
    with suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, text.encode()[:LONGEST], 0)
