"""The file that holds the page's token: only its user may read it, and it is made where there is none."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from ...errors import BadRequest
from ...files import storing
from ...wire_camera import CameraAsk
from .access import is_loopback

LEAST, MOST = 16, 256
FORBIDDEN = stat.S_IRWXG | stat.S_IRWXO


def token(ask: CameraAsk, host: str) -> str:
    """The token that the page asks for on ``host``; "" where it asks for none.

    Raises BadRequest for a file that others can read or that holds no token, StorageFailed.
    """
    if ask.page_token:
        return _read(Path(ask.page_token).expanduser())
    if is_loopback(host):
        return ""
    if not ask.root:
        raise BadRequest(f"a page on {host} needs a token", "give page_token, a file with mode 0600, or use 127.0.0.1")
    path = Path(ask.root).expanduser() / "camera" / f"{ask.name}.token"
    if not path.exists():
        _make(path)
    return _read(path)


def _make(path: Path) -> None:
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")


def _read(path: Path) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            held = file.read(MOST + 2).strip()
    except (OSError, ValueError) as error:
        raise BadRequest(
            f"{path}: {getattr(error, 'strerror', '') or 'not a text'}", "name a file with a token"
        ) from error
    if found.st_mode & FORBIDDEN or found.st_uid != os.geteuid():
        raise BadRequest(f"{path}: others can read the token, or own it", f"chmod 600 {path}, as the user of the loop")
    if not (LEAST <= len(held) <= MOST and held.isascii() and held.isprintable() and " " not in held):
        raise BadRequest(f"{path} holds no token", f"one line of {LEAST} to {MOST} letters, digits and signs")
    return held
