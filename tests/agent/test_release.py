"""Releases: made of files that are there, checked by their answers, switched to at once."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bramble_agent import oneself
from bramble_agent.bundle import LIMIT_BYTES, open_bundle
from bramble_agent.errors import CutShort, ModelRejected
from bramble_agent.release import release
from bringing import bring, held, linked, names, push, raw_piece, request
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


def test_one_process_verifies(root: Path, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release's answers before the switch and after it come from one process: the runtime is imported once."""
    note = f"open({str(tmp_path / 'started')!r}, 'a').write('x')\n"
    monkeypatch.setattr(oneself, "START", note + oneself.START)
    assert push(root, make("a")).state == "current"
    assert (tmp_path / "started").read_text() == "x"


def test_runtime_that_dies_after_the_switch(root: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that answered before the switch and dies after it is a release that is taken back."""
    a, b = make("a"), make("b")
    push(root, a)
    second_dies = (
        "import os\nfrom bramble_agent import verify as module\nreal, seen = module.verify, []\n"
        "def verify(bundle, threads):\n    seen.append(1)\n"
        "    return os._exit(9) if len(seen) > 1 else real(bundle, threads)\nmodule.verify = verify\n"
    )
    monkeypatch.setattr(oneself, "START", oneself.START.replace("serve()", second_dies + "serve()"))
    answer = push(root, b)
    assert answer.state == "rolled-back"
    assert answer.detail.startswith("the runtime died on this model (status 9)")
    assert linked(root) == (bundle_digest(a), "")


def test_files_that_come_with_the_question(root: Path, make: Make, verifier: Verifier) -> None:
    """Files may follow the question itself: they are in the store, and the release is made of them."""
    a = make("a")
    files = held(a).values()
    ask = request(root, a, pieces=tuple(raw_piece(data) for data in files))
    with pytest.raises(CutShort, match="did not come"):
        release(ask, io.BytesIO(b"".join(files)[:-1]))
    assert linked(root) == ("", "")
    assert release(ask, io.BytesIO(b"".join(files))).state == "current"
    assert linked(root) == (bundle_digest(a), "")


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
