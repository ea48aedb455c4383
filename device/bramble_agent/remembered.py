"""What releases answered here before: under the same circumstances they need not be asked again."""

from __future__ import annotations

import json
import platform
from pathlib import Path

from . import board
from .codec import decode, encode
from .errors import AgentError
from .files import write_whole
from .installed import available, version_of
from .oneself import HOME
from .wire import VerifyAnswer


def remembered(root: Path, digest: str, threads: int) -> VerifyAnswer | None:
    """What verifying said before under the circumstances of now; None if it did not."""
    try:
        held = json.loads(_place(root, digest).read_bytes())
        return decode(VerifyAnswer, held["answer"]) if held["by"] == _circumstances(threads) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, AgentError):
        return None


def remember(root: Path, digest: str, threads: int, said: VerifyAnswer) -> None:
    """Keep what verifying said; what is kept already is not written again."""
    if remembered(root, digest, threads) != said:
        _place(root, digest).parent.mkdir(exist_ok=True)
        held = {"by": _circumstances(threads), "answer": encode(said)}
        write_whole(_place(root, digest), json.dumps(held).encode())


def forget(root: Path, digest: str) -> None:
    """Remove what is kept of a release."""
    _place(root, digest).unlink(missing_ok=True)


def _place(root: Path, digest: str) -> Path:
    return root / "verified" / f"{digest}.json"


def _circumstances(threads: int) -> list[object]:
    """What the answers may depend on: a card moves to another board, packages and the agent are updated."""
    runtimes = encode(available())
    python = [platform.python_version(), version_of("numpy")]
    return [threads, runtimes, python, platform.machine(), board.model(), Path(HOME).name]
