"""Reports as files: whole or not at all, and nothing else is read as one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bramble.errors import StorageError, UsageError
from bramble.report.files import read_report, write_report

from .by_hand import report


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden things too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_written_report_is_read_again(tmp_path: Path) -> None:
    """What was written comes back, by its folder and by its file, and nothing else lies there."""
    made = report(tmp_path / "bundle")
    page = write_report(tmp_path / "deep" / "out", made)
    assert page == tmp_path / "deep" / "out" / "report.html"
    assert names(page.parent) == ["report.html", "report.json"]
    assert read_report(page.parent) == read_report(page.parent / "report.json") == made


def test_names_stay_readable_in_the_file(tmp_path: Path) -> None:
    """Letters beyond ASCII are written as themselves."""
    write_report(tmp_path / "out", report(tmp_path / "bundle"))
    assert "même" in (tmp_path / "out" / "report.json").read_text(encoding="utf-8")


def test_old_report_is_replaced(tmp_path: Path) -> None:
    """Writing again replaces what was there."""
    made = report(tmp_path / "bundle")
    write_report(tmp_path / "out", {**made, "recipe": "old"})
    write_report(tmp_path / "out", {**made, "recipe": "new"})
    assert read_report(tmp_path / "out")["recipe"] == "new"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_full_disk_keeps_the_old_report(tmp_path: Path, small_disk: Path) -> None:
    """Where the new report does not fit, the old one stays as it was, and no piece of the new one is left."""
    made = report(tmp_path / "bundle")
    (small_disk / "report.json").write_text(json.dumps({**made, "recipe": "old"}))
    with pytest.raises(StorageError, match="No space left on device") as caught:
        write_report(small_disk, {**made, "recipe": "x" * (1 << 17)})
    assert caught.value.exit_code == 1
    assert names(small_disk) == ["report.json"]
    assert read_report(small_disk)["recipe"] == "old"


def test_place_that_cannot_be_a_folder(tmp_path: Path) -> None:
    """A file where the report's folder should be is a storage error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write the report"):
        write_report(tmp_path / "file", report(tmp_path / "bundle"))


FOREIGN: dict[str, tuple[str, str]] = {
    "empty": ("", "is not a report"),
    "no JSON": ("<html>", "is not a report"),
    "cut": ('{"version": 1, "recipe": "x', "is not a report"),
    "list": ("[1, 2]", "it has no version"),
    "number": ("1", "it has no version"),
    "text": ('"version"', "it has no version"),
    "other JSON": ('{"name": "package"}', "it has no version"),
    "other program's version": ('{"version": "1.2.3"}', r"it is of version 1\.2\.3, this Bramble reads 1"),
    "newer": ('{"version": 2}', "it is of version 2, this Bramble reads 1"),
    "version alone": ('{"version": 1}', "it has no 'accuracy'"),
}


@pytest.mark.parametrize(("text", "said"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_report_of_ours(tmp_path: Path, text: str, said: str) -> None:
    """Damaged, foreign and newer files are a usage error with the file's name."""
    path = tmp_path / "some.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read_report(path)
    assert str(path) in caught.value.message
    assert caught.value.hint == "give a report.json or its folder"


@pytest.mark.parametrize("verdict", ["perfect", None, [], 3])
def test_report_with_an_unknown_verdict(tmp_path: Path, verdict: Any) -> None:
    """A verdict that this version does not know is refused, not passed on."""
    made = {**report(tmp_path / "bundle"), "verdict": verdict}
    (tmp_path / "report.json").write_text(json.dumps(made))
    with pytest.raises(UsageError, match="is no verdict"):
        read_report(tmp_path)


def test_binary_and_missing_files(tmp_path: Path) -> None:
    """A picture, a folder without a report, and nothing at all are usage errors too."""
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    for path in (tmp_path / "picture.png", tmp_path, tmp_path / "absent.json"):
        with pytest.raises(UsageError, match="is not a report"):
            read_report(path)
