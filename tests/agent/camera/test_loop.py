"""The whole loop with frames that are given: what is looked at, told, delivered and counted; options and the end."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bramble_agent.camera import looker as looker_module
from bramble_agent.camera.control import command
from bramble_agent.camera.deliver import Delivery
from bramble_agent.camera.event import Event, Prediction
from bramble_agent.camera.frame import Frame
from bramble_agent.camera.looker import Hooks
from bramble_agent.camera.loop import run
from bramble_agent.errors import BadRequest, CameraLost
from bramble_agent.wire_camera import CameraAnswer, CameraAsk, ControlAsk, Decide, SwapHow, Tuning
from detector import make_detector_bundle
from looking import FORMAT, Feed, Remembering, frame, openers, until
from making import LABELS, PICTURES, int8_answers, make_bundle

BEST = [LABELS[int(row.argmax())] for row in int8_answers()]  # of the four pictures


class Ran:
    """A loop that ran to its end: its answer and lines."""

    def __init__(self, ask: CameraAsk, feed: Feed, **how: Any) -> None:
        """``how`` is for ``openers``, and ``hooks``."""
        self.lines: list[Any] = []
        hooks = how.pop("hooks", None)
        self.answer: CameraAnswer = run(ask, self.lines.append, threading.Event(), openers(feed, **how), hooks)
        self.status = self.answer.status
        assert feed.stopped


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """The tests' int8 model."""
    return str(make_bundle(tmp_path / "bundle"))


def feed(count: int) -> Feed:
    """So many frames of the four pictures in turn."""
    return Feed(frame(number) for number in range(count))


def test_every_frame_is_predicted_and_told(bundle: str) -> None:
    """Ten frames, ten lines with the model's exact answers, and the end of the source."""
    ran = Ran(CameraAsk(bundle, "given"), feed(10))
    assert ran.answer.ended == "end"
    assert [(line["frame"], line["label"]) for line in ran.lines] == [(n, BEST[n % 4]) for n in range(10)]
    line = ran.lines[0]
    assert list(line) == ["frame", "age_ms", "label", "score", "infer_ms", "sights"]
    assert line["sights"][0]["label"] == line["label"]
    assert 0 < line["score"] <= 1
    assert line["age_ms"] > 0
    status = ran.status
    assert (status.frames, status.captured, status.name, status.source) == (10, {"frames": 10}, "camera", "given")
    assert (status.ages["capture"].count, status.ages["inference"].count, status.infer.count) == (10, 10, 10)
    assert set(status.skipped.values()) == {0}


def test_as_many_frames_as_asked_for(bundle: str) -> None:
    """``frames`` 3 of 10; the others are not even taken."""
    frames = feed(10)
    ran = Ran(CameraAsk(bundle, "given", frames=3), frames)
    assert (ran.answer.ended, len(ran.lines), frames.given) == ("frames", 3, 3)


def test_every_third_frame(bundle: str) -> None:
    """The others are counted by cause."""
    ran = Ran(CameraAsk(bundle, "given", every=3), feed(10))
    assert [line["frame"] for line in ran.lines] == [0, 3, 6, 9]
    assert ran.status.skipped["every"] == 6


def test_frames_without_motion_are_skipped(bundle: str) -> None:
    """The same picture three times, another one, that one again."""
    shown = [0, 0, 0, 1, 1]
    frames = Feed(Frame(number, PICTURES[which].ravel(), FORMAT, 0) for number, which in enumerate(shown))
    ran = Ran(CameraAsk(bundle, "given", motion=0.5), frames)
    assert [line["frame"] for line in ran.lines] == [0, 3]
    assert ran.status.skipped["still"] == 3


@pytest.mark.parametrize(("live", "rested"), [(False, 6), (True, 0)])
def test_a_source_that_stands_still_is_not_raced_through(
    live: bool, rested: int, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the fourth still frame on, until one has moved: a short rest after each. A camera has its own pace."""
    monkeypatch.setattr(looker_module, "STILL_MOST", 4)
    clock = Clock()
    shown = [0] * 8 + [1] * 6
    frames = Feed(Frame(number, PICTURES[which].ravel(), FORMAT, 0) for number, which in enumerate(shown))
    run(CameraAsk(bundle, "given", motion=0.5), lambda _: None, clock, openers(frames, live=live))  # type: ignore[arg-type]
    assert clock.waited == [looker_module.REST_S] * rested


def test_damaged_frames_are_skipped(bundle: str) -> None:
    """The next one is whole."""
    damaged = Frame(1, np.empty(0, np.uint8), FORMAT, 0)
    ran = Ran(CameraAsk(bundle, "given"), Feed([frame(0), damaged, frame(2)]))
    assert [line["frame"] for line in ran.lines] == [0, 2]
    assert ran.status.skipped["damaged"] == 1


def test_damaged_pictures_are_named_once(bundle: str) -> None:
    """Also those that only the model finds out; frames that are no files of their own are only counted."""
    spoilt = [
        Frame(number, np.empty(0, np.uint8), FORMAT, 0, origin=name) for number, name in enumerate(["a", "", "a"])
    ]
    told: list[tuple[str, str]] = []
    hooks = Hooks(damaged=lambda *one: told.append(one))
    ran = Ran(CameraAsk(bundle, "given"), Feed([*spoilt, frame(3)]), hooks=hooks)
    assert told == [("a", "a: no bytes")]
    assert ran.lines[:-1] == [{"note": "not looked at: a: no bytes", "picture": "a"}]
    assert ran.status.skipped["damaged"] == 3


@pytest.mark.parametrize("live", [True, False])
def test_deadline(live: bool, bundle: str) -> None:
    """A live frame of ten seconds ago is not looked at where one second is allowed; of a file every one is."""
    old = dataclasses.replace(frame(0), taken_ns=time.monotonic_ns() - 10**10)
    ran = Ran(CameraAsk(bundle, "given", deadline_ms=1_000.0), Feed([old, frame(1)]), live=live)
    assert [line["frame"] for line in ran.lines] == ([1] if live else [0, 1])
    assert ran.status.skipped["late"] == int(live)


def test_frames_that_do_not_come_in_time_are_waited_for(bundle: str) -> None:
    """None from the source is no end."""
    ran = Ran(CameraAsk(bundle, "given"), Feed([None, frame(0), None, None, frame(1)]))
    assert [line["frame"] for line in ran.lines] == [0, 1]


class Clock:
    """A clock and an event that play time instead of spending it."""

    def __init__(self) -> None:
        """Some time after 0."""
        self.ns = 10**12
        self.waited: list[float] = []

    def monotonic_ns(self) -> int:
        """The time."""
        return self.ns

    def perf_counter_ns(self) -> int:
        """The time."""
        return self.ns

    def is_set(self) -> bool:
        """Never."""
        return False

    def wait(self, seconds: float) -> None:
        """It passes."""
        self.waited.append(seconds)
        self.ns += round(seconds * 1e9)


def test_steady_rate(bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 4 frames a second the frames are taken 250 ms apart, and a wait is never longer than the loop's look."""
    clock = Clock()
    monkeypatch.setattr(looker_module, "time", clock)
    times: list[int] = []

    def given() -> Any:
        for number in range(9):
            times.append(clock.ns // 10**6)
            yield dataclasses.replace(frame(number), taken_ns=clock.ns)

    run(CameraAsk(bundle, "given", fps=4.0), lambda _: None, clock, openers(Feed(given())))  # type: ignore[arg-type]
    assert [b - a for a, b in itertools.pairwise(times)] == [250] * 8
    assert max(clock.waited) <= looker_module.LOOK_S


def test_events_are_told_and_delivered(bundle: str) -> None:
    """With ``tell`` "events": one line an event, the same that every action gets, in order."""
    action = Remembering()
    ask = CameraAsk(bundle, "given", tell="events", actions=("remember",), decide=Decide(threshold=0.9))
    ran = Ran(ask, feed(8), action=action)
    assert ran.lines
    assert [line["event"]["id"] for line in ran.lines] == [event.id for event in action.events]
    assert [line["event"]["id"] for line in ran.lines] == [f"{ran.status.run}-{n + 1}" for n in range(len(ran.lines))]
    assert ran.status.events == len(ran.lines)
    assert (ran.status.actions[0].done, ran.status.actions[0].dropped) == (len(ran.lines), 0)
    assert ran.status.ages["action"].count == len(ran.lines)
    assert (action.opened, action.closed, action.shown) == (1, 1, [None] * len(ran.lines))
    assert action.events[0].release == ran.status.release


def test_told_of_only_when_it_is_kept(bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every action's queue has an event before anybody hears of it: a loop that is killed then has told of no other."""
    order: list[tuple[str, str]] = []
    put = Delivery.put

    def noted(self: Delivery, event: Event, *rest: Any) -> None:
        put(self, event, *rest)
        order.append(("kept", event.id))

    monkeypatch.setattr(Delivery, "put", noted)
    ask = CameraAsk(bundle, "given", tell="nothing", actions=("one", "two"), decide=Decide(threshold=0.9))
    ran = Ran(ask, feed(4), action=Remembering(), hooks=Hooks(event=lambda event: order.append(("told", event.id))))
    ids = [f"{ran.status.run}-{n + 1}" for n in range(ran.status.events)]
    assert ids
    assert order == [(what, one) for one in ids for what in ("kept", "kept", "told")]


def test_pictures_for_actions_that_want_them(bundle: str) -> None:
    """The whole frame in colour, a copy of its own for every event's frame."""
    action = Remembering(pictures=True)
    ask = CameraAsk(bundle, "given", tell="nothing", actions=("remember",), decide=Decide(threshold=0.9))
    ran = Ran(ask, feed(4), action=action)
    assert not ran.lines
    assert action.events
    for event, picture in zip(action.events, action.shown, strict=True):
        assert picture is not None
        assert picture.shape == (4, 4, 3)
        assert (picture == PICTURES[event.frame % 4]).all()


def test_detections_are_told_with_their_boxes(tmp_path: Path) -> None:
    """A dog in the second frame; nothing in the others: label and score are null there."""
    bundle = str(make_detector_bundle(tmp_path / "d"))
    dog = np.zeros((4, 4, 1), np.uint8)
    dog[1, 2] = 204
    nothing = np.zeros((4, 4, 1), np.uint8)
    ran = Ran(CameraAsk(bundle, "given"), Feed([frame(0, nothing), frame(1, dog), frame(2, nothing)]))
    assert [(line["label"], line["score"]) for line in ran.lines] == [(None, None), ("dog", 0.8), (None, None)]
    assert ran.lines[1]["sights"] == [
        {"label": "dog", "score": 0.8, "box": {"top": 0.15, "left": 0.55, "bottom": 0.35, "right": 0.95}}
    ]
    ran = Ran(CameraAsk(bundle, "given", tell="events"), Feed([frame(0, nothing), frame(1, dog), frame(2, nothing)]))
    what = [(line["event"]["what"], line["event"]["label"], line["event"]["box"] is None) for line in ran.lines]
    assert what == [("seen", "dog", False), ("gone", "dog", True)]


def test_hooks(bundle: str) -> None:
    """Predictions with their frames, events, and a tick a turn, in the loop's own thread."""
    told: list[Prediction] = []
    ticks: list[int] = []
    threads = set()

    def prediction(one: Prediction, held: Frame) -> None:
        assert held.number == one.frame
        told.append(one)
        threads.add(threading.current_thread())

    hooks = Hooks(prediction=prediction, tick=lambda: ticks.append(1))
    ran = Ran(CameraAsk(bundle, "given"), feed(5), hooks=hooks)
    assert [one.frame for one in told] == [0, 1, 2, 3, 4]
    assert (len(ran.lines), len(ticks)) == (5, 6)
    assert threads == {threading.current_thread()}
    assert 0 <= told[0].captured_age_ms <= told[0].age_ms
    assert 0 < told[0].infer_ms <= told[0].age_ms


class Endless:
    """A loop in a thread that goes on until it is stopped, with its control socket."""

    def __init__(self, ask: CameraAsk, **how: Any) -> None:
        """Frames a millisecond apart."""
        self.stop = threading.Event()
        self.lines: list[Any] = []
        self.answer: CameraAnswer | None = None
        self.error: Exception | None = None
        self._feed = Feed(self._frames())

        def work() -> None:
            try:
                self.answer = run(ask, self.lines.append, self.stop, openers(self._feed, **how))
            except Exception as error:  # noqa: BLE001 - told by the test
                self.error = error

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    @staticmethod
    def _frames() -> Any:
        number = 0
        while True:
            time.sleep(0.001)
            yield frame(number)
            number += 1

    def ended(self) -> CameraAnswer:
        """After it was told to stop."""
        self.thread.join(20.0)
        assert self.error is None, self.error
        assert self.answer is not None
        return self.answer


def test_stop_event(bundle: str) -> None:
    """Ends a loop that would never end."""
    loop = Endless(CameraAsk(bundle, "given"))
    until(lambda: len(loop.lines) > 3)
    loop.stop.set()
    assert loop.ended().ended == "stop"
    assert loop.ended().status.frames >= len(loop.lines)


def socket_there(ask: CameraAsk) -> Callable[[], bool]:
    """Whether the loop listens."""
    return (Path(ask.root) / "camera" / f"{ask.name}.sock").exists


def test_commands_of_a_loop_that_runs(bundle: str, tmp_path: Path) -> None:
    """Status, thresholds, a swap to another release, and stop, through the socket."""
    other = str(make_bundle(tmp_path / "other", kind="float32"))
    ask = CameraAsk(bundle, "given", root=str(tmp_path), name="door", decide=Decide(threshold=1.0, release=0.0))
    loop = Endless(ask, live=True)
    until(socket_there(ask))
    until(lambda: command(ControlAsk(str(tmp_path), "door")).frames > 5)
    first = command(ControlAsk(str(tmp_path), "door"))
    assert (first.name, first.decide.threshold, first.swap.state) == ("door", 1.0, "none")
    tuned = command(ControlAsk(str(tmp_path), "door", "thresholds", Tuning(threshold=0.1)))
    assert tuned.decide == Decide(threshold=0.1, release=0.0)
    until(lambda: command(ControlAsk(str(tmp_path), "door")).events > first.events)
    with pytest.raises(Exception, match="'lion', which is no label") as caught:
        command(ControlAsk(str(tmp_path), "door", "thresholds", Tuning(thresholds={"lion": 0.1})))
    assert getattr(caught.value, "code", "") == "bad-request"
    how = SwapHow(other, compare=4, probation=4, latency_ms=1000.0)
    assert command(ControlAsk(str(tmp_path), "door", "swap", swap=how)).swap.state in (
        "loading",
        "comparing",
        "probation",
    )
    until(lambda: command(ControlAsk(str(tmp_path), "door")).swap.state in ("done", "refused", "rolled-back"))
    now = command(ControlAsk(str(tmp_path), "door"))
    assert (now.swap.state, now.swap.why, now.swap.dropped) == ("done", "", 0)
    assert (now.swap.before, now.release) == (first.release, now.swap.release)
    assert now.release != first.release
    command(ControlAsk(str(tmp_path), "door", "stop"))
    assert loop.ended().ended == "stop"
    assert not socket_there(ask)()


def test_swap_to_what_current_names_now(tmp_path: Path) -> None:
    """The link is read again when it is asked for, and not before."""
    first, second = (make_bundle(tmp_path / kind, kind=kind) for kind in ("int8", "float32"))
    link = tmp_path / "current"
    link.symlink_to(first)
    ask = CameraAsk(str(link), "given", root=str(tmp_path))
    loop = Endless(ask)
    until(socket_there(ask))
    until(lambda: command(ControlAsk(str(tmp_path))).frames > 0)
    began = command(ControlAsk(str(tmp_path))).release
    link.unlink()
    link.symlink_to(second)
    until(lambda: command(ControlAsk(str(tmp_path))).frames > 20)
    assert command(ControlAsk(str(tmp_path))).release == began
    command(ControlAsk(str(tmp_path), do="swap", swap=SwapHow(compare=4, probation=4, latency_ms=1000.0)))
    until(lambda: command(ControlAsk(str(tmp_path))).swap.state == "done")
    assert command(ControlAsk(str(tmp_path))).release != began
    loop.stop.set()
    assert loop.ended().status.swap.dropped == 0


def test_a_swap_to_another_task_is_refused(bundle: str, tmp_path: Path) -> None:
    """A detector does not take a classifier's place; the loop goes on."""
    other = str(make_detector_bundle(tmp_path / "other"))
    ask = CameraAsk(bundle, "given", root=str(tmp_path))
    loop = Endless(ask)
    until(socket_there(ask))
    command(ControlAsk(str(tmp_path), do="swap", swap=SwapHow(other)))
    until(lambda: command(ControlAsk(str(tmp_path))).swap.state == "refused")
    assert "that release is for detection" in command(ControlAsk(str(tmp_path))).swap.why
    loop.stop.set()
    assert loop.ended().ended == "stop"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fps": 0.0}, "0 frames a second"),
        ({"fps": float("nan")}, "nan frames a second"),
        ({"every": 0}, "every 0"),
        ({"frames": 0}, "frames 0"),
        ({"motion": 1.5}, "motion 1.5"),
        ({"deadline_ms": -1.0}, "a deadline of -1 ms"),
        ({"tell": "all"}, "tell 'all'"),
        ({"page": "8080"}, "is no address for a page"),
        ({"name": "../door"}, "cannot be called '../door'"),
        ({"decide": Decide(thresholds={"lion": 0.5})}, "'lion', which is no label"),
        ({"threads": 0}, "0 threads"),
    ],
)
def test_requests_that_make_no_sense(change: dict[str, Any], said: str, bundle: str) -> None:
    """Refused before anything is opened."""
    frames = feed(3)
    with pytest.raises(BadRequest, match=said):
        run(
            dataclasses.replace(CameraAsk(bundle, "given"), **change),
            print,
            threading.Event(),
            openers(frames),
        )
    assert not frames.started


def test_a_source_that_is_lost_ends_the_loop_with_its_reason(bundle: str) -> None:
    """All is let go of."""

    def given() -> Any:
        yield frame(0)
        raise CameraLost("unplugged")

    frames, action = Feed(given()), Remembering()
    ask = CameraAsk(bundle, "given", actions=("remember",))
    with pytest.raises(CameraLost, match="unplugged"):
        run(ask, lambda _: None, threading.Event(), openers(frames, action=action))
    assert (frames.stopped, action.closed) == (True, 1)
