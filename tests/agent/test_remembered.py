"""A release that gave its answers is not asked again, unless something changed that they may depend on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bramble_agent.remembered import forget, remember, remembered
from bramble_agent.wire import RuntimeFact
from bringing import push
from making import bundle_digest

from .conftest import RIGHT, WRONG, Make, Verifier

DIGEST = "d" * 64


def test_kept_and_forgotten(tmp_path: Path) -> None:
    """What was said with so many threads comes back for them, and no longer once it is forgotten."""
    assert remembered(tmp_path, DIGEST, 1) is None
    remember(tmp_path, DIGEST, 1, RIGHT)
    assert remembered(tmp_path, DIGEST, 1) == RIGHT
    assert remembered(tmp_path, DIGEST, 2) is None
    assert remembered(tmp_path, "e" * 64, 1) is None
    forget(tmp_path, DIGEST)
    forget(tmp_path, DIGEST)
    assert remembered(tmp_path, DIGEST, 1) is None


@pytest.mark.parametrize(
    "change",
    [
        ("available", lambda: (RuntimeFact("tflite-runtime", "2.14.0"),)),
        ("version_of", lambda module: "9.9"),
        ("platform.machine", lambda: "armv7l"),
        ("platform.python_version", lambda: "3.9.2"),
        ("board.model", lambda: "Raspberry Pi 5"),
        ("HOME", "/home/pi/.bramble/agents/other.zip"),
    ],
    ids=lambda change: change[0],
)
def test_other_circumstances(change: tuple[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another runtime, NumPy, architecture, Python, board or agent: nothing is known of its answers."""
    remember(tmp_path, DIGEST, 1, RIGHT)
    monkeypatch.setattr(f"bramble_agent.remembered.{change[0]}", change[1])
    assert remembered(tmp_path, DIGEST, 1) is None
    remember(tmp_path, DIGEST, 1, WRONG)
    assert remembered(tmp_path, DIGEST, 1) == WRONG


@pytest.mark.parametrize("held", ["", "{", "[]", "null", '{"by": 1}', '{"by": [], "answer": {}}', "[" * 100_000])
def test_damaged_memory(held: str, tmp_path: Path) -> None:
    """A file that cannot be read is none."""
    (tmp_path / "verified").mkdir()
    (tmp_path / "verified" / f"{DIGEST}.json").write_text(held)
    assert remembered(tmp_path, DIGEST, 1) is None


def test_same_is_not_written_again(tmp_path: Path) -> None:
    """A memory card is written only where something new is said."""
    remember(tmp_path, DIGEST, 1, RIGHT)
    before = (tmp_path / "verified" / f"{DIGEST}.json").stat()
    remember(tmp_path, DIGEST, 1, RIGHT)
    after = (tmp_path / "verified" / f"{DIGEST}.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_releases_remember(tmp_path: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switching back asks only as ``current``; with other threads or another runtime the release is asked first."""
    root, a, b = tmp_path / "board", make("a"), make("b")
    one, two = bundle_digest(a), bundle_digest(b)
    for folder in (a, b):
        push(root, folder)
    assert verifier.asked == [(one, 1), ("current", 1), (two, 1), ("current", 1)]
    verifier.asked.clear()
    push(root, a)
    push(root, a, threads=4)
    push(root, a, again=True)
    assert verifier.asked == [("current", 1), (one, 4), (one, 1)]
    verifier.asked.clear()
    monkeypatch.setattr("bramble_agent.remembered.available", lambda: (RuntimeFact("tflite-runtime", "2.14.0"),))
    push(root, b)
    assert verifier.asked == [(two, 1), ("current", 1)]
    verifier.wrong = {one}
    assert push(root, a).state == "refused"
