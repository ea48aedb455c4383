"""Releases: made of files that are there, checked by their answers, switched at once, mended when damaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bramble_agent.bundle import LIMIT_BYTES, open_bundle
from bramble_agent.errors import BadRequest, BundleDamaged, ModelRejected, NotTrusted
from bramble_agent.release import release
from bramble_agent.wire_release import ReleaseAsk
from bringing import bring, held, linked, names, push, request
from making import bundle_digest, make_bundle, make_golden

from .conftest import RIGHT, WRONG, Make, Verifier

DEVICE = Path(__file__).parents[2] / "device"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A board's folder that is not there yet."""
    return tmp_path / "board"


def test_first_release(root: Path, tmp_path: Path) -> None:
    """The first release is whole, gave its answers in a process of its own, is current, and has nothing before it."""
    folder = make_bundle(tmp_path / "a")
    digest = bundle_digest(folder)
    answer = push(root, folder)
    assert (answer.state, answer.path) == ("current", str(root / "releases" / digest))
    assert (answer.current, answer.previous, answer.detail) == (digest, "", "")
    assert answer.verify is not None
    assert (answer.verify.ok, answer.verify.checked, answer.verify.max_lsb) == (True, 4, 0)
    assert linked(root) == (digest, "")
    assert open_bundle(root / "current").digest == digest
    assert names(root / "current") == set(LIMIT_BYTES)
    assert names(root / "incoming") == set()
    assert names(root) == {"current", "releases", "blobs", "incoming", "verified", "lock"}


def test_files_are_in_the_store_once(root: Path, make: Make, verifier: Verifier) -> None:
    """A release's files are links into the store: two bundles that share a model hold it once."""
    for name in "ab":
        push(root, make(name))
    (model,) = {(root / "releases" / name / "model.tflite").stat().st_ino for name in names(root / "releases")}
    assert model in {path.stat().st_ino for path in (root / "blobs").iterdir()}


def test_what_is_missing_is_told(root: Path, make: Make, verifier: Verifier) -> None:
    """A release whose files are not there changes nothing; the answer names them, and what a new file could patch."""
    a, b = make("a"), make("b")
    push(root, a)
    answer = release(request(root, b))
    files = {name: sha for sha, data in held(a).items() for name in LIMIT_BYTES if (a / name).read_bytes() == data}
    assert (answer.state, set(answer.missing)) == ("missing", set(held(b)) - set(held(a)))
    assert answer.files == files
    assert answer.verify is None
    assert linked(root) == (bundle_digest(a), "")
    assert names(root / "releases") == {bundle_digest(a)}


def test_damaged_files_are_no_base_of_a_patch(root: Path, make: Make, verifier: Verifier) -> None:
    """A model that rotted, or is gone from the store, is not offered to be patched: it would never come out right."""
    a, b = make("a"), make("b")
    push(root, a)
    (root / "releases" / bundle_digest(a) / "model.tflite").write_bytes(b"rot")
    (root / "blobs" / open_bundle(a).manifest.files["labels.txt"].sha256).unlink()
    assert set(release(request(root, b)).files) == {"golden.npz"}


def test_links_are_relative(tmp_path: Path, make: Make, verifier: Verifier) -> None:
    """The links still lead to the releases when the whole folder is moved."""
    push(tmp_path / "old", make("a"))
    (tmp_path / "old").rename(tmp_path / "new")
    assert open_bundle(tmp_path / "new" / "current").manifest.name == "a"


def test_next_release_keeps_the_previous(root: Path, make: Make, verifier: Verifier) -> None:
    """Each release becomes current and the one it followed becomes previous."""
    folders = [make(name) for name in "abc"]
    a, b, c = (bundle_digest(folder) for folder in folders)
    answers = [push(root, folder) for folder in folders]
    assert [(answer.current, answer.previous) for answer in answers] == [(a, ""), (b, a), (c, b)]
    assert linked(root) == (c, b)
    assert names(root / "releases") == {a, b, c}


def test_switching_back_needs_no_upload(root: Path, make: Make, verifier: Verifier) -> None:
    """A release that is on the board is made current again by its manifest alone."""
    a, b = make("a"), make("b")
    for folder in (a, b):
        push(root, folder)
    shutil.rmtree(root / "blobs")
    assert release(request(root, a)).state == "current"
    assert linked(root) == (bundle_digest(a), bundle_digest(b))


def test_repeating_changes_nothing(root: Path, make: Make, verifier: Verifier) -> None:
    """Releasing the current release again verifies nothing, and leaves every file and link untouched."""
    a, b = make("a"), make("b")
    for folder in (a, b):
        push(root, folder)

    def state() -> list[tuple[str, int, int]]:
        paths = (path for path in root.rglob("*") if path.name != "lock")
        return sorted((str(path), path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths)

    before, asked = state(), len(verifier.asked)
    assert release(request(root, b)).state == "current"
    assert (state(), len(verifier.asked)) == (before, asked)
    assert release(request(root, b, again=True)).state == "current"
    assert state() == before
    assert verifier.asked[asked:] == [(bundle_digest(b), 1)]


def test_not_switched_to(root: Path, make: Make, verifier: Verifier) -> None:
    """Without ``switch`` a release is made and verified, and what is current stays; the current one may be asked."""
    a, b = make("a"), make("b")
    push(root, a)
    assert push(root, b, switch=False).state == "ready"
    assert linked(root) == (bundle_digest(a), "")
    assert push(root, a, switch=False).state == "ready"
    assert push(root, b).state == "current"


def test_answers_that_differ_are_refused(root: Path, tmp_path: Path, make: Make) -> None:
    """A release that gives other answers than its own is never switched to; it is there, to be measured."""
    golden = make_golden()
    golden["output_0"][2, 1] += 5
    a, off = make("a"), make("off", arrays=golden)
    push(root, a)
    answer = push(root, off)
    assert (answer.state, answer.current, answer.path) == (
        "refused",
        bundle_digest(a),
        str(root / "releases" / bundle_digest(off)),
    )
    assert answer.verify is not None
    assert (answer.verify.ok, answer.verify.max_lsb, answer.verify.differing) == (False, 5, 1)
    assert linked(root) == (bundle_digest(a), "")
    assert open_bundle(Path(answer.path)).digest == bundle_digest(off)
    assert not (root / "verified" / f"{bundle_digest(off)}.json").exists()


def test_model_that_is_rejected(root: Path, make: Make, verifier: Verifier) -> None:
    """Where verifying fails, its reason is told, and what is current stays."""
    a, b = make("a"), make("b")
    push(root, a)
    verifier.failure = ModelRejected("the runtime died on this model", "?")
    with pytest.raises(ModelRejected, match="died"):
        push(root, b)
    assert linked(root) == (bundle_digest(a), "")


def test_wrong_where_it_is_served_from(root: Path, make: Make, verifier: Verifier) -> None:
    """A release that answers rightly in its folder and wrongly as ``current`` is taken back."""
    a, b = make("a"), make("b")
    push(root, a)
    verifier.wrong = {"current"}
    answer = push(root, b)
    assert (answer.state, answer.detail) == ("rolled-back", "it does not give its golden answers as current")
    assert (answer.current, answer.previous) == linked(root) == (bundle_digest(a), "")
    assert not (root / "trial.json").exists()
    verifier.failure = ModelRejected("killed", "")
    assert push(root, b, again=False).detail == "killed"
    assert linked(root) == (bundle_digest(a), "")


def test_unhealthy_service(root: Path, make: Make, verifier: Verifier) -> None:
    """A health check that fails after the switch takes it back, for the very first release too."""
    a, b = make("a"), make("b")
    answer = push(root, a, health=("sh", "-c", "echo no frames >&2; exit 3"))
    assert (answer.state, answer.current) == ("rolled-back", "")
    assert answer.detail == "the health check 'sh' says 3: no frames"
    assert linked(root) == ("", "")
    assert push(root, a, health=("test", "-e", str(root / "current"))).state == "current"
    assert push(root, b, health=("false",)).state == "rolled-back"
    assert linked(root) == (bundle_digest(a), "")
    assert push(root, b).state == "current"


def test_unforeseen_error_on_trial(root: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks the trial off, what was current is current again at once."""
    a, b = make("a"), make("b")
    push(root, a)
    monkeypatch.setattr("bramble_agent.release.healthy", lambda command, seconds: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        push(root, b)
    assert linked(root) == (bundle_digest(a), "")
    assert not (root / "trial.json").exists()


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


def test_unsigned_bundle_is_refused_before_it_is_sent(root: Path, make: Make, verifier: Verifier) -> None:
    """A board with allowed signers says so at the first question, about a release that it has as well."""
    a = make("a")
    push(root, a)
    (root / "allowed_signers").write_text("me ssh-ed25519 AAAA\n")
    for folder in (a, make("b")):
        with pytest.raises(NotTrusted, match="signed bundles only"):
            release(request(root, folder))
    assert linked(root) == (bundle_digest(a), "")


def test_copies_where_there_are_no_links(
    root: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system without hard links releases are copies."""

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    assert push(root, make("a")).state == "current"
    assert open_bundle(root / "current").manifest.name == "a"


def test_two_at_once(root: Path, make: Make) -> None:
    """Two processes that release different bundles over and over leave one whole current and the other as previous."""
    folders = [make(name) for name in "ab"]
    for folder in folders:
        bring(root, held(folder).values())
    code = (
        "import sys, pathlib, json\n"
        "from bramble_agent import release, wire\n"
        "from bramble_agent.wire_release import ReleaseAsk\n"
        f"release.ask_afresh = lambda ask, kind: wire.{RIGHT}\n"
        "root, digest, manifest = sys.argv[1:]\n"
        "for _ in range(30):\n"
        "    assert release.release(ReleaseAsk(root, digest, manifest)).state == 'current'\n"
    )
    env = {**os.environ, "PYTHONPATH": str(DEVICE)}
    running = []
    for folder in folders:
        ask = request(root, folder)
        running.append(subprocess.Popen([sys.executable, "-c", code, str(root), ask.digest, ask.manifest], env=env))
    both = {bundle_digest(folder) for folder in folders}
    while any(process.poll() is None for process in running):
        if (root / "current").is_symlink():
            assert open_bundle(root / "current").digest in both
    assert [process.returncode for process in running] == [0, 0]
    assert set(linked(root)) == names(root / "releases") == both


def test_answers_of_the_stand_in_are_those_of_the_agent(root: Path, make: Make) -> None:
    """The stand-in that most tests here verify with says what the real process says of such a bundle."""
    answer = push(root, make("a")).verify
    assert answer is not None
    assert {name: getattr(answer, name) for name in ("ok", "checked", "values", "differing", "max_lsb")} == {
        name: getattr(RIGHT, name) for name in ("ok", "checked", "values", "differing", "max_lsb")
    }
    assert not WRONG.ok
