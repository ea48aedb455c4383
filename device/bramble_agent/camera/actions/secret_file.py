"""Passwords and tokens come from files: never from a string that is shown in a status, a unit or a log."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ...errors import BadRequest

MOST = 4_096


def read_secret(path: str) -> str:
    """The first line of a file that only its owner may read. Raises BadRequest, which never says what is in it."""
    place = Path(path).expanduser()
    try:
        with open(place, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise BadRequest(f"{place} is no file")
            if found.st_mode & 0o077:
                raise BadRequest(f"others may read {place}, which holds a secret", f"chmod 600 {place}")
            held = file.read(MOST + 1)
    except OSError as error:
        raise BadRequest(f"{place}: {error.strerror}", "a file on this board whose first line is the secret") from None
    line = held.split(b"\n", 1)[0].strip()
    try:
        secret = line.decode("utf-8")
    except UnicodeDecodeError:
        secret = ""
    if not secret.isprintable() or not secret or len(held) > MOST:
        raise BadRequest(f"{place} holds no secret", "its first line is the secret, as text")
    return secret
