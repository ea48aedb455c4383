"""Lines of JSON: whole, healed, rotated, within the budget; disks that are full or gone."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from agent.camera.actions.making_events import PLENTY, event, made
from bramble_agent.camera.actions.jsonl import JsonLines
from bramble_agent.camera.budget import Budget, synced
from bramble_agent.camera.event import event_json
from bramble_agent.errors import ActionFailed, BadRequest


def opened(path: Path, options: str = "", budget: Budget = PLENTY) -> JsonLines:
    """An action that writes there."""
    action: JsonLines = made(f"jsonl:{path}{options}", budget)
    action.open()
    return action


def ids(path: Path) -> list[str]:
    """The events of a file."""
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_a_line_an_event(tmp_path: Path) -> None:
    """All of the event, in one line, in its own letters."""
    action = opened(tmp_path / "e")
    action.act(event(1, label="Tür\n"), None)
    action.act(event(2, box=None), None)
    lines = (tmp_path / "e").read_text().split("\n")
    assert [json.loads(line) for line in lines[:-1]] == [
        event_json(event(1, label="Tür\n")),
        event_json(event(2, box=None)),
    ]
    assert "Tür\\n" in lines[0]


def test_rotation(tmp_path: Path) -> None:
    """Files of at most 1000 bytes, two old ones: the newest events in order, no line torn."""
    action = opened(tmp_path / "e", "?rotate_bytes=1000&keep=2")
    for number in range(50):
        action.act(event(number), None)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["e", "e.1", "e.2"]
    assert all(path.stat().st_size <= 1_000 for path in tmp_path.iterdir())
    told = [one for name in reversed(names) for one in ids(tmp_path / name)]
    assert told == [f"f00d-{number}" for number in range(50 - len(told), 50)]
    assert len(told) > 8


def test_rotation_without_old_files(tmp_path: Path) -> None:
    """``keep=0``: one file."""
    action = opened(tmp_path / "e", "?rotate_bytes=1000&keep=0")
    for number in range(20):
        action.act(event(number), None)
    assert [path.name for path in tmp_path.iterdir()] == ["e"]
    assert ids(tmp_path / "e")[-1] == "f00d-19"


def test_half_a_line_is_healed(tmp_path: Path) -> None:
    """Wherever the last line was cut: the lines before stay, the next one is whole."""
    action = opened(tmp_path / "e")
    action.act(event(1), None)
    action.act(event(2), None)
    data = (tmp_path / "e").read_bytes()
    first = data.index(b"\n") + 1
    for end in range(first, len(data)):
        (tmp_path / "e").write_bytes(data[:end])
        opened(tmp_path / "e").act(event(3), None)
        assert ids(tmp_path / "e") == ["f00d-1", "f00d-3"]


def test_zeros_at_the_end_are_healed(tmp_path: Path) -> None:
    """What some file systems leave after a power cut."""
    opened(tmp_path / "e").act(event(1), None)
    with (tmp_path / "e").open("ab") as file:
        file.write(b"\0" * 700)
    opened(tmp_path / "e").act(event(2), None)
    assert ids(tmp_path / "e") == ["f00d-1", "f00d-2"]


def test_files_of_others_are_not_cut(tmp_path: Path) -> None:
    """A file that ends in the middle of something else is left as it is."""
    (tmp_path / "e").write_text("diary\nnot finis")
    with pytest.raises(BadRequest, match="no file of events"):
        opened(tmp_path / "e")
    assert (tmp_path / "e").read_text() == "diary\nnot finis"


def test_moved_away_by_somebody_else(tmp_path: Path) -> None:
    """Logrotate renames or deletes the file: a new one is begun."""
    action = opened(tmp_path / "e")
    action.act(event(1), None)
    (tmp_path / "e").rename(tmp_path / "old")
    action.act(event(2), None)
    (tmp_path / "e").unlink()
    action.act(event(3), None)
    assert (ids(tmp_path / "old"), ids(tmp_path / "e")) == (["f00d-1"], ["f00d-3"])


def test_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines reach the card at once while there is budget to spare, then later; with none left events wait."""
    synced_files: list[int] = []
    monkeypatch.setattr(os, "fsync", synced_files.append)
    budget = Budget(16 * 3 * synced(300), clock=lambda: 0.0)
    action = opened(tmp_path / "e", budget=budget)
    for number in range(20):
        action.act(event(number), None)
    assert 2 <= len(synced_files) <= 4
    assert len(ids(tmp_path / "e")) == 20
    assert budget.spend(budget.bytes_per_day - budget.used - 10)
    with pytest.raises(ActionFailed, match="write budget is used up"):
        action.act(event(20), None)
    assert len(ids(tmp_path / "e")) == 20
    assert (tmp_path / "e").stat().st_size + len(synced_files) * synced(0) <= budget.bytes_per_day


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("none/e", "there is no folder "),
        ("file/e", "there is no folder "),
        (".", "that is a folder: name a file in it, like jsonl:"),
        ("/proc/events.jsonl", "no file can be made in /proc: name one in another folder"),
        ("x" * 300, "give a shorter name"),
    ],
)
def test_no_such_place(place: str, hint: str, tmp_path: Path) -> None:
    """It is said at the start, with what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRequest) as caught:
        opened(tmp_path / place)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_place_that_is_not_ours(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is there: what is wrong is who may write to it."""

    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(BadRequest) as caught:
        opened(tmp_path / "e")
    assert caught.value.hint.startswith("this user may not write there: name a file in a folder where it may")


def test_folder_that_goes_and_comes(tmp_path: Path) -> None:
    """A stick that is pulled out: events are tried again, none is refused."""
    (tmp_path / "stick").mkdir()
    action = opened(tmp_path / "stick" / "e")
    action.act(event(1), None)
    (tmp_path / "stick").rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(ActionFailed, match="No such file"):
            action.act(event(2), None)
    (tmp_path / "away").rename(tmp_path / "stick")
    action.act(event(2), None)
    assert ids(tmp_path / "stick" / "e") == ["f00d-1", "f00d-2"]


def test_full_disk(tmp_path: Path) -> None:
    """Half a line that still had room is taken back; with room again the event is written once."""
    program = f"""
import resource, signal, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from agent.camera.actions.test_jsonl import opened
from agent.camera.actions.making_events import event
from bramble_agent.errors import ActionFailed
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path({str(tmp_path / "e")!r})
action = opened(path)
action.act(event(1), None)
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, {resource.RLIM_INFINITY}))
for _ in range(2):
    try:
        action.act(event(2), None)
    except ActionFailed as error:
        print(error.message, path.stat().st_size - size)
resource.setrlimit(resource.RLIMIT_FSIZE, ({resource.RLIM_INFINITY}, {resource.RLIM_INFINITY}))
action.act(event(2), None)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == f"{tmp_path}/e: No space left on device 0\n" * 2
    assert ids(tmp_path / "e") == ["f00d-1", "f00d-2"]


@pytest.mark.parametrize("path", ["/dev/full", "/dev/null"])
def test_no_file(path: str) -> None:
    """A device cannot be healed or rotated."""
    with pytest.raises(BadRequest, match="is no file"):
        made(f"jsonl:{path}").open()
