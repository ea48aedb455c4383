"""Releases that rotted, became something else, or were left half-made: mended, or out of the way of the next."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bramble_agent.bundle import LIMIT_BYTES, open_bundle
from bramble_agent.release import release
from bringing import held, linked, names, push, request
from making import bundle_digest

from .conftest import Make, Verifier


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A board's folder that is not there yet."""
    return tmp_path / "board"


@pytest.mark.parametrize("name", sorted(LIMIT_BYTES))
def test_release_that_rots_is_mended(name: str, root: Path, make: Make, verifier: Verifier) -> None:
    """A release that lost a bit on the card counts as absent; pushed again, only that file is sent and all is whole."""
    a = make("a")
    push(root, a)
    path = root / "current" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    answer = release(request(root, a))
    if name == "manifest.json":
        assert answer.state == "current"  # it came with the request
    else:
        assert answer.state == "missing"
        assert [held(a)[sha] for sha in answer.missing] == [(a / name).read_bytes()]
        assert push(root, a).state == "current"
    assert open_bundle(root / "current").digest == bundle_digest(a)


def test_current_is_there_while_it_is_mended(
    root: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged file is replaced in one step: whoever reads ``current`` meanwhile finds all four."""
    a = make("a")
    push(root, a)
    (root / "current" / "labels.txt").write_bytes(b"rot")
    seen, replace_ = [], os.replace

    def spied(source: Path, target: Path) -> None:
        seen.append(names(root / "current") == set(LIMIT_BYTES))
        replace_(source, target)
        seen.append(names(root / "current") == set(LIMIT_BYTES))

    monkeypatch.setattr("os.replace", spied)
    push(root, a)
    assert len(seen) >= 8
    assert all(seen)


def test_release_that_became_something_else(root: Path, make: Make, verifier: Verifier) -> None:
    """A file, a link or folders in a release's place are replaced."""
    a = make("a")
    target = root / "releases" / bundle_digest(a)
    target.parent.mkdir(parents=True)
    for disturb in (
        lambda: target.write_text("x"),
        lambda: target.symlink_to("/nowhere"),
        lambda: (target / "labels.txt" / "deep").mkdir(parents=True),
    ):
        disturb()
        push(root, a)
        assert open_bundle(target).digest == bundle_digest(a)
        shutil.rmtree(target)


def test_left_over_from_a_power_cut(root: Path, make: Make, verifier: Verifier) -> None:
    """Half a release, half a link, half a note: what a cut leaves does not stand in the way of the next."""
    a, b = make("a"), make("b")
    push(root, a)
    shutil.copytree(root / "releases" / bundle_digest(a), root / "releases" / ".fresh")
    (root / "releases" / ".fresh" / "more").write_text("x")
    (root / ".current").symlink_to("nowhere")
    (root / ".trial.json").write_text('{"cur')
    (root / "trial.json").write_text('{"cur')
    assert push(root, b).state == "current"
    assert linked(root) == (bundle_digest(b), bundle_digest(a))
    assert names(root / "releases") == {bundle_digest(a), bundle_digest(b)}
    assert not {name for name in names(root) if "trial" in name or name.startswith(".")}


def test_file_in_place_of_what_is_made(root: Path, make: Make, verifier: Verifier) -> None:
    """A file called as the folder in which a release is made does not block releases for ever."""
    push(root, make("a"))
    (root / "releases" / ".fresh").write_text("x")
    assert push(root, make("b")).state == "current"
