"""The actions of a loop with their queues and budget; whole loops whose events end in files, over crashes too."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image

from agent.camera.spooling import event
from bramble_agent.camera import scratch
from bramble_agent.camera.acting import acting
from bramble_agent.camera.ages import Ages
from bramble_agent.camera.decide import Decider
from bramble_agent.camera.deliver import Delivery
from bramble_agent.camera.line import Line
from bramble_agent.camera.loop import _check_swap, run
from bramble_agent.camera.model import Model
from bramble_agent.camera.openers import OPENERS
from bramble_agent.camera.spool import Spool
from bramble_agent.errors import BadRequest, StorageFailed
from bramble_agent.wire_camera import CameraAsk, Decide
from looking import until
from making import LABELS, PICTURES, make_bundle


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A RAM disk of the test's own."""
    folder = tmp_path / "shm"
    folder.mkdir()
    monkeypatch.setattr(scratch.scratch, "__defaults__", (folder,))
    return folder


def ask(tmp_path: Path, *actions: str) -> CameraAsk:
    """A request with these actions."""
    return CameraAsk("bundle", "synthetic:", root=str(tmp_path / "root"), actions=actions)


def test_queues(tmp_path: Path) -> None:
    """What may come late is spooled, what may not waits in RAM; without a root nothing is."""
    actions = (f"jsonl:{tmp_path}/e", "mqtt://broker/home", "https://host/", "command:/bin/true", "gpio:17")
    made = acting(ask(tmp_path, *actions, f"snapshot:{tmp_path}/p"), Ages()).deliveries
    assert [type(one._queue) for one in made] == [Spool] * 4 + [Line] * 2
    assert [one.pictures for one in made] == [False] * 5 + [True]
    rootless = dataclasses.replace(ask(tmp_path, *actions), root="")
    assert {type(one._queue) for one in acting(rootless, Ages()).deliveries} == {Line}
    assert acting(ask(tmp_path), Ages()).deliveries == ()


def test_one_budget(tmp_path: Path) -> None:
    """All actions of a loop write on one account, and the status tells it."""
    made = acting(ask(tmp_path, f"jsonl:{tmp_path}/a", f"jsonl:{tmp_path}/b?label=cat"), Ages())
    for one in made.deliveries:
        one.start()
        one.put(event(1), None, 0)
    for one in made.deliveries:
        one.stop()
    size = (tmp_path / "a").stat().st_size
    assert size == (tmp_path / "b").stat().st_size
    assert made.written_bytes() == 2 * (size + 8_192)


def test_waits_for_the_next_run(tmp_path: Path) -> None:
    """A folder that is missing for a whole run: its events come in the next run that has the same string."""
    (tmp_path / "stick").mkdir()
    asked = ask(tmp_path, f"jsonl:{tmp_path}/stick/e")
    (first,) = acting(asked, Ages()).deliveries
    first.start()
    (tmp_path / "stick").rename(tmp_path / "away")
    for number in range(5):
        first.put(event(number), None, 0)
    until(lambda: first.status().failures > 0)
    first.stop(patience_s=0.05)
    status = first.status()
    assert (status.done, status.waiting, status.dropped) == (0, 5, 0)
    assert status.held_bytes > 500
    (tmp_path / "away").rename(tmp_path / "stick")
    (second,) = acting(asked, Ages()).deliveries
    second.start()
    second.stop()
    assert (second.status().done, second.status().waiting) == (5, 0)
    lines = (tmp_path / "stick" / "e").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"run-{number}" for number in range(5)]
    assert list((tmp_path / "root").rglob("*.events")) == []


def test_a_root_that_cannot_be_written(tmp_path: Path, shared: Path) -> None:
    """With RAM to write to the loop runs; with neither it is said at the start."""
    (tmp_path / "root").write_text("in the way")
    (one,) = acting(ask(tmp_path, f"jsonl:{tmp_path}/e"), Ages()).deliveries
    one.start()
    one.put(event(1), None, 0)
    one.stop()
    assert one.status().done == 1
    shared.chmod(0o700)
    for path in shared.iterdir():
        path.chmod(0o777)
    with pytest.raises(StorageFailed):
        acting(ask(tmp_path, f"jsonl:{tmp_path}/e"), Ages())


def test_a_whole_loop(tmp_path: Path) -> None:
    """Computed frames, a model, events, two actions: what was counted is what is in the files."""
    bundle = make_bundle(tmp_path / "bundle")
    actions = (f"jsonl:{tmp_path}/e", f"snapshot:{tmp_path}/p?what=seen&keep=3", "command:/bin/true")
    asked = CameraAsk(
        str(bundle),
        "synthetic:?frames=40&size=64x48",
        root=str(tmp_path / "root"),
        decide=Decide(threshold=0.3, release=1.0),
        actions=actions,
    )
    answer = run(asked, lambda _: None, threading.Event(), OPENERS)
    lines = [json.loads(line) for line in (tmp_path / "e").read_text().splitlines()]
    assert len(lines) == answer.status.events > 0
    assert [int(line["id"].partition("-")[2]) for line in lines] == sorted(int(x["id"].split("-")[1]) for x in lines)
    jsonl, pictures, program = answer.status.actions
    assert jsonl.done == program.done == len(lines)
    assert pictures.done == len(lines)
    assert 0 < len(list((tmp_path / "p").iterdir())) <= 3
    assert answer.status.written_bytes > (tmp_path / "e").stat().st_size


def test_the_same_twice(tmp_path: Path) -> None:
    """Two of a string would share a spool."""
    asked = dataclasses.replace(ask(tmp_path, "gpio:17", "gpio:17"), bundle=str(make_bundle(tmp_path / "bundle")))
    with pytest.raises(BadRequest, match="twice"):
        run(asked, lambda _: None, threading.Event(), OPENERS)


def asked_of_a_loop(tmp_path: Path, *actions: str) -> CameraAsk:
    """Eight computed frames that make some events."""
    asked = ask(tmp_path, *actions)
    bundle = str(make_bundle(tmp_path / "bundle"))
    decide = Decide(threshold=0.3, release=1.0)
    return dataclasses.replace(asked, bundle=bundle, source="synthetic:?frames=8&size=64x48", decide=decide)


@pytest.mark.parametrize("rooted", [True, False])
def test_what_was_not_delivered_is_in_the_answer(rooted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that fails, servers that are not there: with a root events wait on the disk, without they are lost."""
    monkeypatch.setattr(Delivery.stop, "__defaults__", (0.05,))
    asked = asked_of_a_loop(tmp_path, "command:/bin/false", "http://127.0.0.1:9/hook", "mqtt://127.0.0.1:9/door")
    status = run(
        asked if rooted else dataclasses.replace(asked, root=""), lambda _: None, threading.Event(), OPENERS
    ).status
    program, server, broker = status.actions
    for one in status.actions:
        assert one.done == 0
        assert one.waiting + one.dropped + one.refused == status.events > 0
        assert one.failures > 0
    assert program.refused > 0
    assert program.last_failure == "false failed with status 1"
    for one, said in ((server, "127.0.0.1"), (broker, "Connection refused")):
        assert (one.waiting, one.causes) == ((status.events, {}) if rooted else (0, {"end": status.events}))
        assert said in one.last_failure
    kept = list((tmp_path / "root" / "camera" / "camera.spool").rglob("*.events")) if rooted else []
    assert bool(kept) == rooted


def test_labels_that_the_release_has_not(tmp_path: Path) -> None:
    """An action for one of them would never do anything: refused, with the label that may be meant."""
    with pytest.raises(BadRequest, match="an action for 'thre', which is no label of the release") as caught:
        run(
            asked_of_a_loop(tmp_path, f"jsonl:{tmp_path}/e?label={LABELS[0]}&label=thre"),
            print,
            threading.Event(),
            OPENERS,
        )
    assert LABELS[0] in caught.value.hint
    assert not (tmp_path / "e").exists()


def test_a_release_without_the_label_of_an_action_is_no_swap() -> None:
    """The action would fall silent."""
    new = cast("Model", SimpleNamespace(predict=SimpleNamespace(task="classification"), labels=("dog", "bird")))
    decider = Decider(("dog", "cat"), Decide(), "run")
    _check_swap(decider, frozenset(["dog"]), "classification", new)
    with pytest.raises(BadRequest, match="an action for 'cat'"):
        _check_swap(decider, frozenset(["cat"]), "classification", new)


def test_pictures_of_a_folder_are_named(tmp_path: Path) -> None:
    """In the frames' lines and the events; a damaged one is told once, by its name."""
    (tmp_path / "p").mkdir()
    for at, pixels in enumerate(PICTURES):
        Image.fromarray(pixels[..., 0]).save(tmp_path / "p" / f"{at}.png")
    (tmp_path / "p" / "1b.png").write_bytes(b"no picture")
    asked = dataclasses.replace(
        asked_of_a_loop(tmp_path, f"jsonl:{tmp_path}/e"), source=f"folder:{tmp_path}/p?loop=1", frames=8
    )
    lines: list[Any] = []
    assert run(asked, lines.append, threading.Event(), OPENERS).status.captured == {"frames": 8, "damaged": 2}
    assert [line["picture"] for line in lines if "frame" in line] == ["0.png", "1.png", "2.png", "3.png"] * 2
    (note,) = [line for line in lines if "note" in line]
    assert note["picture"] == "1b.png"
    assert note["note"].startswith("not looked at: 1b.png: ")
    named = {line["frame"]: line["picture"] for line in lines if "frame" in line}
    events = [json.loads(line) for line in (tmp_path / "e").read_text().splitlines()]
    assert events
    assert all(event["picture"] == named[event["frame"]] for event in events)
