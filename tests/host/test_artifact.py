"""The store: whole or not at all, whatever happens to the process, the disk or the files."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bramble.artifact import Artifact, Store, code_digest, key_of
from bramble.errors import StorageError

TEXT = "a model\n" * 100


def fill(folder: Path) -> dict[str, Any]:
    """Two files, one of them in a sub-folder, and two facts."""
    (folder / "model.txt").write_text(TEXT)
    (folder / "deep").mkdir()
    (folder / "deep" / "more.bin").write_bytes(bytes(range(256)))
    return {"accuracy": 0.925, "stages": ["train"]}


def names(root: Path) -> list[str]:
    """Everything that lies in the store, hidden things too."""
    return sorted(path.name for path in root.iterdir())


def test_what_was_made_is_found(tmp_path: Path) -> None:
    """A made artifact is found again with its facts and its files, and nothing else lies in the store."""
    store = Store(tmp_path / "store")
    made = store.make("key", fill)
    assert made == Artifact("key", tmp_path / "store" / "key", {"accuracy": 0.925, "stages": ["train"]})
    assert Store(tmp_path / "store").find("key") == made
    assert made.file("model.txt").read_text() == TEXT
    assert names(store.root) == ["key"]


def test_nothing_is_found_before_it_is_made(tmp_path: Path) -> None:
    """A key that was never made is not found, nor is anything in a store without a folder."""
    assert Store(tmp_path).find("key") is None
    assert Store(tmp_path / "absent").find("key") is None


def flip(path: Path, place: int = 40) -> None:
    """Flip one bit of a file."""
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


def change_a_fact(folder: Path) -> None:
    """Turn the stored accuracy into a better one."""
    path = folder / "artifact.json"
    path.write_text(path.read_text().replace("0.925", "0.935"))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda folder: flip(folder / "model.txt"),
    "a flipped bit below": lambda folder: flip(folder / "deep" / "more.bin"),
    "another fact": change_a_fact,
    "a lost file": lambda folder: (folder / "model.txt").unlink(),
    "lost facts": lambda folder: (folder / "artifact.json").unlink(),
    "cut facts": lambda folder: (folder / "artifact.json").write_text('{"files": {'),
    "other facts": lambda folder: (folder / "artifact.json").write_text("[]"),
    "empty facts": lambda folder: (folder / "artifact.json").write_text("{}"),
    "no text": lambda folder: (folder / "artifact.json").write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_artifact_is_not_found_and_made_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    """What is no longer what was written counts as absent, and making it again heals it."""
    store = Store(tmp_path)
    made = store.make("key", fill)
    damage(made.folder)
    assert store.find("key") is None
    store.make("key", fill)
    assert store.find("key") == made
    assert names(tmp_path) == ["key"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fill_raises_passes_and_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    """An exception in the middle of filling, Ctrl-C too, comes through and the store stays empty."""

    def breaks(folder: Path) -> dict[str, Any]:
        fill(folder)
        raise error("in the middle")

    with pytest.raises(error, match="in the middle"):
        Store(tmp_path).make("key", breaks)
    assert names(tmp_path) == []


def test_facts_that_are_no_json_leave_nothing(tmp_path: Path) -> None:
    """Facts that cannot be stored are an error, not an artifact without facts."""
    with pytest.raises(TypeError):
        Store(tmp_path).make("key", lambda folder: {"path": folder})
    assert names(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_full_disk_is_a_storage_error_and_leaves_nothing(small_disk: Path) -> None:
    """A disk that fills up says so with advice; the finished artifact stays whole, the half one goes."""
    store = Store(small_disk / "store")
    finished = store.make("first", fill)

    def too_much(folder: Path) -> dict[str, Any]:
        (folder / "big").write_bytes(bytes(1 << 20))
        return {}

    with pytest.raises(StorageError, match="No space left on device") as caught:
        store.make("second", too_much)
    assert "free some space" in caught.value.hint
    assert names(store.root) == ["first"]
    assert store.find("first") == finished


def test_store_that_cannot_be_a_folder_is_a_storage_error(tmp_path: Path) -> None:
    """A file where the store's folder should be is one clear error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write under"):
        Store(tmp_path / "file").make("key", fill)


FILLER = """
import sys, time
from pathlib import Path
from bramble.artifact import Store

def fill(folder):
    (folder / "half").write_text("half")
    print("filling", flush=True)
    sys.stdin.readline()
    return {}

Store(Path(sys.argv[1])).make(sys.argv[2], fill)
"""


def start(root: Path, key: str) -> subprocess.Popen[str]:
    """A process in the middle of filling ``key``; a line on its stdin lets it finish."""
    words = [sys.executable, "-c", FILLER, str(root), key]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "filling\n"
    return process


def test_killed_process_leaves_no_half_artifact(tmp_path: Path) -> None:
    """After kill -9 in the middle nothing is found, and the next run of anything removes what was left."""
    with start(tmp_path, "key") as process:
        process.kill()
    left = names(tmp_path)
    assert len(left) == 1
    assert left[0].startswith(".key.")
    assert Store(tmp_path).find("key") is None
    Store(tmp_path).make("other", fill)
    assert names(tmp_path) == ["other"]


def test_living_process_keeps_its_half_artifact(tmp_path: Path) -> None:
    """A run beside one that is still at work leaves it alone, and both finish."""
    with start(tmp_path, "slow") as process:
        Store(tmp_path).make("quick", fill)
        process.communicate("go on\n")
    assert process.returncode == 0
    assert names(tmp_path) == ["quick", "slow"]


def test_two_processes_that_finish_the_same_key_leave_one_whole(tmp_path: Path) -> None:
    """Of two runs that make the same thing at once both succeed, and one whole artifact is there."""
    with start(tmp_path, "key") as first, start(tmp_path, "key") as second:
        first.communicate("go on\n")
        second.communicate("go on\n")
    assert (first.returncode, second.returncode) == (0, 0)
    assert Store(tmp_path).find("key") is not None
    assert names(tmp_path) == ["key"]


RACER = """
import sys
from pathlib import Path
from bramble.artifact import Store

def fill(folder):
    (folder / "file").write_text("same")
    return {}

for _ in range(150):
    Store(Path(sys.argv[1])).make("key", fill)
"""


@pytest.mark.slow
def test_race_for_the_same_key_has_no_loser(tmp_path: Path) -> None:
    """Two processes that replace each other's artifact hundreds of times never fail and end with a whole one."""
    words = [sys.executable, "-c", RACER, str(tmp_path)]
    racers = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [racer.communicate()[1] for racer in racers]
    assert said == ["", ""]
    assert Store(tmp_path).find("key") is not None
    assert names(tmp_path) == ["key"]


def test_key_is_a_sha256_over_canonical_json() -> None:
    """A key is the first 128 bits of the sha256 of the parts as JSON, computed here by hand."""
    by_hand = hashlib.sha256('["train", 3, {"a": [1.5, null], "é": true}]'.encode()).hexdigest()[:32]
    assert key_of("train", 3, {"é": True, "a": [1.5, None]}) == by_hand


def test_key_tells_parts_apart() -> None:
    """Neither moving a border between parts nor a value's type goes unnoticed."""
    keys = [key_of(*parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), (1,), ("1",), (1.0,), (True,), (["1"],))]
    assert len(set(keys)) == len(keys)


def test_code_digest_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed source is another digest, without importing the module; the same source again is the same."""
    source = tmp_path / "watched_by_test_artifact.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    digests = []
    for text in ("raise ImportError\n", "raise ImportError  # changed\n", "raise ImportError\n"):
        source.write_text(text)
        digests.append(code_digest("watched_by_test_artifact"))
    assert digests[0] == digests[2] != digests[1]
    by_hand = hashlib.sha256(json.dumps([hashlib.sha256(b"raise ImportError\n").hexdigest()]).encode()).hexdigest()
    assert digests[0] == by_hand[:32]
    assert source.stem not in sys.modules


def test_store_can_be_moved(tmp_path: Path) -> None:
    """An artifact holds no path of its own: a store that was moved still has it."""
    Store(tmp_path / "old").make("key", fill)
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert Store(tmp_path / "new").find("key") is not None
