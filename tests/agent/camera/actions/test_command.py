"""Programs that are run: what they get, how they end, and what is left of them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from agent.camera.actions.making_events import event, made
from bramble_agent.camera.event import event_json
from bramble_agent.errors import ActionFailed, ActionRefused, BadRequest
from looking import until


def program(folder: Path, body: str, options: str = "") -> Any:
    """A shell script as an action, open."""
    path = folder / "bell.sh"
    path.write_text(f"#!/bin/sh\ncd {folder}\n{body}\n")
    path.chmod(0o755)
    action = made(f"command:{path}{options}")
    action.open()
    return action


def test_arguments_and_event(tmp_path: Path) -> None:
    """Arguments arrive as they are, whatever is in them: no shell reads them. The event is on stdin."""
    action = program(tmp_path, 'cat > got; for one; do echo "[$one]"; done > arguments', "?arg=a b&arg=$(id);*&arg=")
    action.act(event(3, label="'; rm -rf /"), None)
    assert (tmp_path / "arguments").read_text() == "[a b]\n[$(id);*]\n[]\n"
    assert json.loads((tmp_path / "got").read_text()) == event_json(event(3, label="'; rm -rf /"))


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("exit 75", ActionFailed, "asks to be run again"),
        ("echo no bell; exit 3", ActionRefused, "failed with status 3: no bell"),
        ("echo oh >&2; exit 1", ActionRefused, "failed with status 1: oh"),
        ("kill -9 $$", ActionRefused, "ended by signal 9"),
    ],
)
def test_how_it_ends(body: str, kind: type[Exception], said: str, tmp_path: Path) -> None:
    """75 is tried again, all else that is not 0 is final; what it said is told."""
    with pytest.raises(kind, match=said):
        program(tmp_path, body).act(event(), None)


def test_takes_too_long(tmp_path: Path) -> None:
    """It is ended with all that it began."""
    action = program(tmp_path, "sleep 1000 & echo $! > child; wait", "?timeout=0.5")
    with pytest.raises(ActionRefused, match=r"took more than 0\.5 s"):
        action.act(event(), None)
    child = int((tmp_path / "child").read_text())
    until(lambda: not Path(f"/proc/{child}").exists() or "\nState:\tZ" in Path(f"/proc/{child}/status").read_text())


def test_leaves_something_behind(tmp_path: Path) -> None:
    """A service that it starts holds its output open: the event is done all the same."""
    action = program(tmp_path, "setsid sleep 30 & echo $! > child", "?timeout=20")
    start = time.monotonic()
    action.act(event(), None)
    assert time.monotonic() - start < 15.0
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_says_very_much(tmp_path: Path) -> None:
    """Megabytes of output are neither kept nor in its way; the end of it is told."""
    action = program(tmp_path, "head -c 30000000 /dev/zero | tr '\\0' x; echo the end; exit 1")
    with pytest.raises(ActionRefused, match="the end") as caught:
        action.act(event(), None)
    assert len(caught.value.message) < 300


def test_does_not_read(tmp_path: Path) -> None:
    """Nobody must read the event, however long it is."""
    program(tmp_path, f"exec <&-; touch {tmp_path / 'ran'}").act(event(label="x" * 1_000_000), None)
    assert (tmp_path / "ran").exists()


def test_not_there(tmp_path: Path) -> None:
    """Said at the start: no such program, a folder, one that may not be run, a name without its place."""
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    for path, said in (
        (tmp_path / "none", "there is no program"),
        (tmp_path, "there is no program"),
        (tmp_path / "plain", "may not be run"),
        (Path("reboot"), "no whole path"),
    ):
        with pytest.raises(BadRequest, match=said):
            made(f"command:{path}").open()


def test_no_program_after_all(tmp_path: Path) -> None:
    """It was there at the start and is not now, or is no program: tried again, somebody may be replacing it."""
    action = program(tmp_path, "true")
    (tmp_path / "bell.sh").write_text("")
    with pytest.raises(ActionFailed, match="Exec format error"):
        action.act(event(), None)
    (tmp_path / "bell.sh").unlink()
    with pytest.raises(ActionFailed, match="No such file"):
        action.act(event(), None)
