"""What stays on a board and what goes: releases, files of the store, agents."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bramble_agent.bundle import open_bundle
from bramble_agent.release import release, rollback
from bramble_agent.wire_release import RollbackAsk
from bringing import held, linked, names, push, request
from making import bundle_digest, make_golden

from .conftest import Make, Verifier

DAY_S = 86_400


def age(path: Path, days: float) -> None:
    """Let a file be untouched for so long."""
    os.utime(path, (time.time() - days * DAY_S,) * 2, follow_symlinks=False)


@pytest.fixture
def root(tmp_path: Path, verifier: Verifier) -> Path:
    """A board's folder."""
    return tmp_path / "board"


def test_so_many_stay(root: Path, make: Make) -> None:
    """Of many releases the last three stay, of which current and previous are two."""
    digests = []
    for name in "abcde":
        folder = make(name)
        push(root, folder)
        digests.append(bundle_digest(folder))
        age(root / "releases" / digests[-1], 10 - len(digests))
        assert names(root / "releases") == set(digests[-3:])
    assert {f"{digest}.json" for digest in digests[-3:]} == names(root / "verified")


def test_current_and_previous_always_stay(root: Path, make: Make) -> None:
    """However few may stay and however old they are, what the links name is not removed."""
    a, b = make("a"), make("b")
    for folder in (a, b):
        push(root, folder, keep=1)
        age(root / "releases" / bundle_digest(folder), 500)
    for name in "cdef":
        push(root, make(name), switch=False, keep=-5)
        assert linked(root) == (bundle_digest(b), bundle_digest(a))
        assert names(root / "releases") == {bundle_digest(folder) for folder in (a, b, make(name))}
    assert rollback(RollbackAsk(str(root))).current == bundle_digest(a)


def test_used_last_stays(root: Path, make: Make) -> None:
    """What counts is when a release was used, not when it was made."""
    for name in "abcd":
        push(root, make(name), keep=4)
    for days, name in enumerate("dcba"):
        age(root / "releases" / bundle_digest(make(name)), 1 + days)
    release(request(root, make("a"), switch=False, keep=4))
    push(root, make("e"), keep=4)
    assert names(root / "releases") == {bundle_digest(make(name)) for name in "acde"}


def test_releases_that_were_not_switched_to_go_too(root: Path, make: Make) -> None:
    """What was only measured, or refused, does not pile up; the last one stays, to be measured."""
    push(root, make("a"))
    off = make_golden()
    off["output_0"][0, 0] += 9
    for name in "bcdef":
        answer = push(root, make(name), switch=False, keep=2)
        assert Path(answer.path).is_dir()
    assert names(root / "releases") == {bundle_digest(make(name)) for name in "af"}


def test_files_that_nobody_needs_go(root: Path, make: Make) -> None:
    """Files of removed releases go when nobody asked for them for an hour; those of the others stay however old."""
    folders = [make(name) for name in "abc"]
    for folder in folders[:2]:
        push(root, folder)
    for path in (root / "blobs").iterdir():
        age(path, 400)
    push(root, folders[2], keep=2)
    own = [set(held(folder)) for folder in folders]
    assert names(root / "blobs") == own[1] | own[2]
    young = root / "blobs" / ("e" * 64)
    young.write_bytes(b"of a push that is going on")
    age(young, 0.9 / 24)
    release(request(root, folders[2], keep=2))
    assert young.exists()
    age(young, 1.1 / 24)
    release(request(root, folders[2], keep=2))
    assert not young.exists()
    assert open_bundle(root / "current").digest == bundle_digest(folders[2])


def test_files_that_are_asked_for_stay(root: Path, make: Make) -> None:
    """A push that counts on an old file finds it still there after another push cleared up."""
    a, b, c = make("a"), make("b"), make("c")
    for folder in (a, b):
        push(root, folder, keep=1)
    for path in (root / "blobs").iterdir():
        age(path, 3)
    (root / "previous").unlink()
    told = release(request(root, make("d", labels=(a / "labels.txt").read_bytes())))
    assert told.missing == ()
    push(root, c, keep=1)
    assert set(held(a)) <= names(root / "blobs")


def test_old_uploads_are_cleared(root: Path, make: Make) -> None:
    """Uploads nobody went on with for a day go with the next release; younger ones, folders and links stay."""
    incoming = root / "incoming"
    (incoming / "folder").mkdir(parents=True)
    for name, hours in (("old.part", 25), ("old.zip", 25), ("young.part", 23), ("folder", 99)):
        (incoming / name).touch()
        age(incoming / name, hours / 24)
    (incoming / "dangling").symlink_to("nowhere")
    push(root, make("a"))
    assert names(incoming) == {"young.part", "folder", "dangling"}


def test_foreign_files_are_left_alone(root: Path, make: Make) -> None:
    """What else lies in a board's folder is neither counted nor touched."""
    push(root, make("a"), keep=1)
    (root / "my notes").write_text("x")
    (root / "releases" / "README").write_text("x")
    (root / "releases" / "mine").mkdir()
    (root / "releases" / ("f" * 64)).symlink_to(root / "my notes")
    for path in (root / "my notes", *(root / "releases").iterdir()):
        age(path, 500)
    for name in "bcd":
        assert push(root, make(name), keep=1).state == "current"
    assert {"README", "mine", "f" * 64} < names(root / "releases")
    assert len(names(root / "releases")) == 3 + 2
    assert (root / "my notes").read_text() == "x"


def test_half_removed_release_is_removed(root: Path, make: Make) -> None:
    """What a cut left of a release on its way out goes with the next command."""
    push(root, make("a"))
    (root / "releases" / ".fresh" / "left").mkdir(parents=True)
    release(request(root, make("a")))
    assert names(root / "releases") == {bundle_digest(make("a"))}


def test_agents_of_services(root: Path, make: Make) -> None:
    """What a service starts stays, however long nobody asked it: it is needed at the next boot."""
    agents, camera = root / "agents", root / "camera"
    agents.mkdir(parents=True)
    camera.mkdir()
    for name in ("started.zip", "old.zip"):
        (agents / name).touch()
        age(agents / name, 30)
    (camera / "door.agent").write_text("started.zip")
    (camera / "odd.agent").write_bytes(b"\xff")
    push(root, make("a"))
    assert names(agents) == {"started.zip"}


def test_agents_of_others(root: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that no host asked for a week go; the one at work stays and is marked as used, once a day."""
    agents = root / "agents"
    agents.mkdir(parents=True)
    own = agents / f"{'c' * 64}.zip"
    monkeypatch.setattr("bramble_agent.retention.HOME", f"/elsewhere/{own.name}")
    for name, days in ((own.name, 30), ("old.zip", 8), ("old.zip.7-ab.part", 8), ("young.zip", 6)):
        (agents / name).touch()
        age(agents / name, days)
    push(root, make("a"))
    assert names(agents) == {own.name, "young.zip"}
    assert time.time() - own.stat().st_mtime < DAY_S
    age(own, 0.5)
    before = own.stat().st_mtime
    push(root, make("b"))
    assert own.stat().st_mtime == before
