"""The two links and the note of what they were: whatever is found there, they end up whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bramble_agent.links import begin_trial, links, settle, take_back

A, B, P = "a" * 64, "b" * 64, "0" * 64


def set_up(root: Path, current: str = A, previous: str = P) -> None:
    """Both links."""
    root.mkdir(exist_ok=True)
    begin_trial(root, {"current": current, "previous": previous})
    settle(root)


def test_trial(tmp_path: Path) -> None:
    """A trial points both links elsewhere; taken back, all is as it was, and the note is gone."""
    set_up(tmp_path)
    before = {path.name: str(path.readlink()) for path in tmp_path.iterdir()}
    assert before == {"current": f"releases/{A}", "previous": f"releases/{P}"}
    begin_trial(tmp_path, {"current": B, "previous": A})
    assert links(tmp_path) == {"current": B, "previous": A}
    assert json.loads((tmp_path / "trial.json").read_text()) == {"current": A, "previous": P}
    assert take_back(tmp_path)
    assert {path.name: str(path.readlink()) for path in tmp_path.iterdir()} == before


def test_settled_trial_is_not_taken_back(tmp_path: Path) -> None:
    """After it is settled there is nothing to take back."""
    set_up(tmp_path)
    assert not take_back(tmp_path)
    assert links(tmp_path) == {"current": A, "previous": P}


def test_first_trial_taken_back(tmp_path: Path) -> None:
    """Where no link was, there is none again."""
    begin_trial(tmp_path, {"current": B, "previous": ""})
    assert take_back(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "note",
    [
        *("", "{", "[]", "7", "null", "{}", '{"current": 1, "previous": ""}', '{"current": "../x", "previous": ""}'),
        *('{"current": null, "previous": null}', '{"current": "' + B + '"}', "[" * 100_000, "\xff"),
    ],
    ids=lambda note: repr(note[:30]),
)
def test_note_that_is_none(note: str, tmp_path: Path) -> None:
    """A note that was cut off, or that nobody of us wrote, is removed and changes no link."""
    set_up(tmp_path)
    (tmp_path / "trial.json").write_bytes(note.encode("latin-1"))
    assert not take_back(tmp_path)
    assert links(tmp_path) == {"current": A, "previous": P}
    assert not (tmp_path / "trial.json").exists()


def test_links_that_are_not_ours(tmp_path: Path) -> None:
    """A link to something else, a file or a folder names no release."""
    (tmp_path / "current").symlink_to("/opt/models/mine")
    (tmp_path / "previous").mkdir()
    assert links(tmp_path) == {"current": "", "previous": ""}
    (tmp_path / "current").unlink()
    (tmp_path / "current").write_text(A)
    assert links(tmp_path)["current"] == ""


def test_failure_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second link cannot be made, the first is put back."""
    set_up(tmp_path)
    real, left = os.symlink, [True, False, True, True]

    def symlink(*values: Any) -> None:
        if not left.pop(0):
            raise OSError(28, "No space left on device")
        real(*values)

    monkeypatch.setattr(os, "symlink", symlink)
    with pytest.raises(OSError, match="No space"):
        begin_trial(tmp_path, {"current": B, "previous": A})
    assert links(tmp_path) == {"current": A, "previous": P}
    assert not (tmp_path / "trial.json").exists()
