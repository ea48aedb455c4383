"""Releases that are refused: paths for names and digests, other manifests, health that cannot be, no signature."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bramble_agent.errors import BadRequest, BundleDamaged, NotTrusted
from bramble_agent.release import release
from bramble_agent.wire_release import ReleaseAsk
from bringing import linked, names, push, request
from making import bundle_digest

from .conftest import Make, Verifier


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A board's folder that is not there yet."""
    return tmp_path / "board"


@pytest.mark.parametrize("digest", ["", ".", "..", "../../etc", "A" * 64, "0" * 63, "0" * 64 + "\n", "/" + "0" * 63])
def test_digest_that_is_none(digest: str, root: Path, make: Make, verifier: Verifier) -> None:
    """What is no sha256 never becomes a folder's name."""
    with pytest.raises(BadRequest, match="digest"):
        release(replace(request(root, make("a")), digest=digest))
    assert not root.exists()


def test_other_manifest_than_announced(root: Path, make: Make, verifier: Verifier) -> None:
    """A whole manifest under another's digest is refused, and current stays."""
    a, b = make("a"), make("b")
    push(root, a)
    with pytest.raises(BadRequest, match="not the one"):
        release(replace(request(root, b), digest="1" * 64))
    with pytest.raises(BadRequest, match="not the one"):
        release(replace(request(root, b), manifest="\ud800"))
    assert linked(root) == (bundle_digest(a), "")


def odd_manifest(root: Path, folder: Path, **files: object) -> ReleaseAsk:
    """A request whose manifest lists other files, under its true digest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"].update(files)
    (folder / "manifest.json").write_text(
        json.dumps({**manifest, "files": {k: v for k, v in manifest["files"].items() if v}})
    )
    return request(root, folder)


@pytest.mark.parametrize("name", ["../../../etc/cron.d/x", "/etc/x", "more.txt", "manifest.json", ".", ""])
def test_paths_in_a_manifest(name: str, root: Path, make: Make, verifier: Verifier) -> None:
    """A manifest that lists another file than a bundle has is refused by that name, before anything is written."""
    with pytest.raises(BundleDamaged) as caught:
        release(odd_manifest(root, make("a"), **{name: {"sha256": "0" * 64, "size_bytes": 1}}))
    assert repr(name) in caught.value.message
    assert not root.exists()


def test_manifest_that_lacks_a_file(root: Path, make: Make, verifier: Verifier) -> None:
    """Nor may one be missing from it."""
    with pytest.raises(BundleDamaged, match=r"golden\.npz"):
        release(odd_manifest(root, make("a"), **{"golden.npz": None}))


@pytest.mark.parametrize("digest", ["../../lock", "/etc/passwd", "0" * 63 + "/", "0" * 64 + "\n"])
def test_paths_in_a_manifests_digests(digest: str, root: Path, make: Make, verifier: Verifier) -> None:
    """A file's digest becomes a name in the store: what is none is refused."""
    with pytest.raises(BadRequest, match="digest"):
        release(odd_manifest(root, make("a"), **{"labels.txt": {"sha256": digest, "size_bytes": 1}}))
    assert not root.exists()


def test_manifest_that_makes_no_sense(root: Path, make: Make, verifier: Verifier) -> None:
    """A manifest that makes no bundle of its files becomes no release, and is not in the next one's way."""
    a, odd = make("a"), make("odd", labels=b"one\ntwo\n")
    push(root, a)
    with pytest.raises(BundleDamaged, match="2 names for 3 classes"):
        push(root, odd)
    assert linked(root) == (bundle_digest(a), "")
    assert push(root, make("b")).state == "current"
    assert names(root / "releases") == {bundle_digest(a), bundle_digest(make("b"))}


@pytest.mark.parametrize(
    "how",
    [
        *({"health_s": value} for value in (-1.0, float("nan"), float("inf"), 1e9)),
        *({"health": words} for words in (("",), ("", "x"), ("x\0",), ("x", "\0"))),
    ],
    ids=str,
)
def test_health_that_cannot_be(how: dict[str, object], root: Path, make: Make, verifier: Verifier) -> None:
    """A time that never ends and a command that cannot be are refused before anything is switched."""
    with pytest.raises(BadRequest, match=r"watching a service|no command"):
        release(request(root, make("a"), **how))


def test_unsigned_bundle_is_refused_before_it_is_sent(root: Path, make: Make, verifier: Verifier) -> None:
    """A board with allowed signers says so at the first question, about a release that it has as well."""
    a = make("a")
    push(root, a)
    (root / "allowed_signers").write_text("me ssh-ed25519 AAAA\n")
    for folder in (a, make("b")):
        with pytest.raises(NotTrusted, match="signed bundles only"):
            release(request(root, folder))
    assert linked(root) == (bundle_digest(a), "")
