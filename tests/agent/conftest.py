"""What tests of releases share: a verifier that needs no process of its own, and a disk that gets full."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bramble_agent.wire import VerifyAnswer, VerifyAsk
from making import make_bundle

RIGHT = VerifyAnswer(True, 4, 12, 0, 0, 0.0, "0 LSB", "ai-edge-litert 2.3.0", "xnnpack/x86_64")
WRONG = VerifyAnswer(False, 4, 12, 3, 9, 9.0, "0 LSB", "ai-edge-litert 2.3.0", "xnnpack/x86_64")


class Verifier:
    """Stands for the process that verifies: ``wrong`` are folders' names that answer badly, ``asked`` all there were.

    It is asked for a release's folder by its digest, or for ``current``.
    """

    def __init__(self) -> None:
        """All is right."""
        self.asked: list[tuple[str, int]] = []
        self.wrong: set[str] = set()
        self.failure: Exception | None = None

    def __call__(self, ask: VerifyAsk, kind: type[VerifyAnswer]) -> VerifyAnswer:
        """As ``oneself.ask_afresh``."""
        name = Path(ask.bundle).name
        self.asked.append((name, ask.threads))
        if self.failure:
            raise self.failure
        return WRONG if name in self.wrong else RIGHT


@pytest.fixture
def verifier(monkeypatch: pytest.MonkeyPatch) -> Verifier:
    """Releases verify at once, and say what they are told to."""
    standing = Verifier()
    monkeypatch.setattr("bramble_agent.release.ask_afresh", standing)
    return standing


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make("a")`` writes a bundle called a, in which no two files are those of another, and gives its folder."""

    def made(name: str, **changes: Any) -> Path:
        labels = "".join(f"{label}-{name}\n" for label in ("left", "right", "même")).encode()
        return make_bundle(tmp_path / "bundles" / name, **{"name": name, "labels": labels, **changes})

    return made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of our own with room for 40 files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "nr_inodes=40,size=1m", "tmpfs", str(disk)]
    made = subprocess.run(mount, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no right to mount a small file system here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)
