"""One at a time: a lock on the board's folder that dies with its process."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Busy

PATIENCE_S = 120.0  # verifying takes seconds, on a slow board some more


@contextmanager
def locked(root: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the lock of ``root`` (made if missing). Raises Busy where another process holds it for too long."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "lock", "w") as lock:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(f"another push or setup holds {root}", "wait for it, then try again") from None
                time.sleep(0.05)
        yield
