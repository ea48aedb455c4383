"""Swaps between two frames: agreement, latency, roll-back; every frame gets its prediction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bramble_agent.bundle import open_bundle
from bramble_agent.camera.event import Sight
from bramble_agent.camera.frame import Frame
from bramble_agent.camera.model import Model
from bramble_agent.camera.predict import Predictor, Seen
from bramble_agent.camera.swap import Swapper
from bramble_agent.errors import BadRequest, Busy, ModelRejected
from bramble_agent.wire import Pixels
from bramble_agent.wire_camera import Decide, SwapHow, SwapStatus
from looking import Plain, frame, until
from making import make_bundle

SMALL, LARGE = Pixels(4, 4, "gray"), Pixels(8, 8, "gray")


class Says:
    """In place of a predictor: always the same label, after ``seconds``; from frame ``breaks`` on it fails."""

    def __init__(
        self, release: str, label: str = "cat", seconds: float = 0.0, breaks: int = 1 << 60, pixels: Pixels = SMALL
    ) -> None:
        """``asked`` counts."""
        self.release, self.name, self.labels, self.task = release, f"net-{release}", ("cat", "dog"), "classification"
        self.pixels = pixels
        self.asked = 0
        self._label, self._seconds, self._breaks = label, seconds, breaks
        self._inside = threading.Lock()

    def __call__(self, picture: NDArray[np.uint8], top: int) -> Seen:
        """One sight. Two threads at once are an error, as they would be for an interpreter."""
        assert self._inside.acquire(blocking=False), "two threads in one interpreter"
        try:
            self.asked += 1
            time.sleep(self._seconds)
            if self.asked > self._breaks:
                raise ModelRejected("the runtime failed on a frame: boom")
            return Seen(np.array([1.0, 0.0]), (Sight(self._label, 1.0),))
        finally:
            self._inside.release()


def model(says: Says) -> Model:
    """A model that says so."""
    return Model(says, Plain)  # type: ignore[arg-type]


class Loop:
    """A loop as the looker does it, in the test's thread."""

    def __init__(
        self, old: Says, new: Says | Callable[[str], Model], check: Callable[[Model], None] = lambda _: None
    ) -> None:
        """``new`` is what any bundle loads as."""
        load = (lambda _: model(new)) if isinstance(new, Says) else new
        self.wanted: list[tuple[Pixels, ...]] = []
        self.swapper = Swapper(model(old), load, check, Decide, self.want)
        self.releases: list[str] = []
        self.wish = 0

    def want(self, wanted: Sequence[Pixels]) -> int:
        """As a source that is asked for other frames."""
        self.wanted.append(tuple(wanted))
        return len(self.wanted)

    def step(self) -> None:
        """One frame, of the wish that ``wish`` says."""
        number = len(self.releases)
        held = replace(frame(number), wish=self.wish)
        self.swapper.between(held)
        for _ in range(2):
            now = self.swapper.model
            start = time.perf_counter_ns()
            try:
                with now.lock:
                    seen = now.predict(now.convert(held), 5)
            except ModelRejected as error:
                if not self.swapper.failed(error.message):
                    raise
                continue
            took = time.perf_counter_ns() - start
            self.swapper.looked(held, seen, took, time.monotonic_ns())
            self.releases.append(now.release)
            return

    def until(self, *states: str, limit: int = 200_000) -> SwapStatus:
        """Frames until the swap is in one of these states."""
        for _ in range(limit):
            self.step()
            if self.swapper.status().state in states:
                until(lambda: not self.swapper._active)
                return self.swapper.status()
            time.sleep(0.0002)
        raise AssertionError(self.swapper.status())


HOW = SwapHow(compare=8, probation=24, latency_ms=1000.0)


def test_to_a_release_that_agrees() -> None:
    """Compared on 8 frames, switched once between two frames, no frame is lost."""
    loop = Loop(Says("old"), Says("new"))
    for _ in range(70):
        loop.step()
    loop.swapper.begin(HOW, "b")
    status = loop.until("done")
    assert (status.state, status.before, status.release, status.why) == ("done", "old", "new", "")
    assert (status.compared, status.agreement, status.switches, status.dropped) == (8, 1.0, 1, 0)
    assert status.longest_gap_ms > 0
    assert status.usual_gap_ms > 0
    first = loop.releases.index("new")
    assert loop.releases == ["old"] * first + ["new"] * (len(loop.releases) - first)
    assert len(loop.releases) - first >= 24


def test_a_release_that_disagrees_never_runs() -> None:
    """Refused with both shares; the loop has only ever used the old one."""
    loop = Loop(Says("old"), Says("new", "dog"))
    loop.swapper.begin(HOW, "b")
    status = loop.until("refused")
    assert status.why == "both releases agree on 0 of 8 frames, asked for is 90%"
    assert (set(loop.releases), status.switches) == ({"old"}, 0)


def test_a_release_that_is_too_slow_never_runs() -> None:
    """Median of 20 ms and more, where 10 are allowed."""
    loop = Loop(Says("old"), Says("new", seconds=0.02))
    loop.swapper.begin(SwapHow(compare=4, latency_ms=10.0), "b")
    status = loop.until("refused")
    assert "allowed are 10.00" in status.why
    assert status.latency_ms is not None
    assert status.latency_ms >= 20.0
    assert set(loop.releases) == {"old"}


def test_without_a_budget_the_old_one_is_the_measure() -> None:
    """Half as much again and 2 ms: 30 ms after 0 ms is refused, 0 ms after 30 ms is taken."""
    loop = Loop(Says("old"), Says("new", seconds=0.03))
    loop.swapper.begin(SwapHow(compare=4), "b")
    assert "it takes" in loop.until("refused").why
    loop = Loop(Says("old", seconds=0.01), Says("new"))
    loop.swapper.begin(SwapHow(compare=4, probation=4), "b")
    assert loop.until("done", "refused").state == "done"


def test_a_release_that_fails_is_taken_back_with_that_very_frame() -> None:
    """It fails in the middle of its probation: the frame is predicted by the old one, none is lost."""
    new = Says("new", breaks=20)
    loop = Loop(Says("old"), new)
    loop.swapper.begin(HOW, "b")
    status = loop.until("rolled-back")
    assert "boom" in status.why
    assert (status.switches, loop.swapper.model.release) == (2, "old")
    first, count = loop.releases.index("new"), loop.releases.count("new")
    assert 0 < count <= 20
    assert loop.releases[first : first + count] == ["new"] * count
    assert set(loop.releases[first + count :]) == {"old"}


def test_a_release_that_gets_slow_is_taken_back() -> None:
    """Fast while it is compared, slow at work."""
    new = Says("new")
    loop = Loop(Says("old"), new)
    loop.swapper.begin(SwapHow(compare=8, probation=10_000, latency_ms=5.0), "b")
    while loop.swapper.status().state != "probation":
        loop.step()
        time.sleep(0.0002)
    new._seconds = 0.01
    status = loop.until("rolled-back")
    assert "allowed are 5.00" in status.why
    assert loop.swapper.model.release == "old"


def test_a_release_that_begins_to_disagree_is_taken_back() -> None:
    """The old one is asked about the same frames all through the probation."""
    new = Says("new")
    loop = Loop(Says("old"), new)
    loop.swapper.begin(SwapHow(compare=8, probation=10_000, latency_ms=1000.0), "b")
    while loop.swapper.status().state != "probation":
        loop.step()
        time.sleep(0.0002)
    new._label = "dog"
    status = loop.until("rolled-back")
    assert status.why.startswith("both releases agree on")
    loop.step()
    assert loop.releases[-1] == "old"


def test_a_failure_after_the_probation_is_the_loop_s() -> None:
    """There is nothing to go back to."""
    new = Says("new", breaks=1 << 50)
    loop = Loop(Says("old"), new)
    loop.swapper.begin(HOW, "b")
    loop.until("done")
    new._breaks = 0
    with pytest.raises(ModelRejected):
        loop.step()


def test_a_failure_of_the_first_release_is_the_loop_s() -> None:
    """No swap, no other model."""
    with pytest.raises(ModelRejected):
        Loop(Says("old", breaks=0), Says("new")).step()


@pytest.mark.parametrize("fault", [MemoryError("two models"), OSError(5, "Input/output error")])
def test_no_room_for_two_models_or_a_bad_card(fault: Exception) -> None:
    """The old one goes on."""

    def load(_: str) -> Model:
        raise fault

    loop = Loop(Says("old"), load)
    loop.swapper.begin(HOW, "b")
    assert type(fault).__name__ in loop.until("refused").why


@pytest.mark.parametrize("where", ["load", "check", "compare"])
def test_what_goes_wrong_before_the_switch_is_told(where: str) -> None:
    """The loop goes on; the reason is in the status."""

    def refuse(_: object) -> Model:
        raise BadRequest("not this one")

    def ignore(_: object) -> None:
        return

    if where == "compare":
        loop = Loop(Says("old"), Says("new", breaks=3))
    elif where == "load":
        loop = Loop(Says("old"), refuse)
    else:
        loop = Loop(Says("old"), Says("new"), refuse)
    loop.swapper.begin(HOW, "b")
    status = loop.until("refused")
    assert ("boom" if where == "compare" else "not this one") in status.why
    assert set(loop.releases) == {"old"}


def test_the_same_release_is_no_swap() -> None:
    """Nothing to do."""
    loop = Loop(Says("old"), Says("old"))
    loop.swapper.begin(HOW, "b")
    assert loop.until("refused").why == "it is the release that runs already"


def test_one_swap_at_a_time() -> None:
    """The second is told to wait; after the first it may."""
    loop = Loop(Says("old"), Says("new"))
    loop.swapper.begin(HOW, "b")
    with pytest.raises(Busy, match="a swap is going on"):
        loop.swapper.begin(HOW, "b")
    loop.until("done")
    loop.swapper.begin(HOW, "b")
    assert loop.until("refused").why == "it is the release that runs already"


def test_no_frames_no_switch() -> None:
    """Nothing moves in front of a camera with a motion gate: the attempt ends, and says so."""
    loop = Loop(Says("old"), Says("new"))
    loop.swapper.begin(SwapHow(compare=4, patience_s=0.05), "b")
    until(lambda: loop.swapper.status().state == "refused")
    assert loop.swapper.status().why == "only 0 of 4 frames came within 0.05 s"


def test_the_end_of_the_loop_ends_the_swap() -> None:
    """Its thread does not wait for frames that will not come."""
    loop = Loop(Says("old"), Says("new"))
    loop.swapper.begin(HOW, "b")
    loop.swapper.stop()
    until(lambda: not loop.swapper._active)
    assert loop.swapper.model.release == "old"


def test_frames_passed_over_at_the_switch_are_counted() -> None:
    """Every second frame is the rule; where 5 numbers lie between, 3 more than usual were passed over."""
    loop = Loop(Says("old"), Says("new"))
    swapper, number = loop.swapper, 0

    def looked(step: int) -> None:
        nonlocal number
        number += step
        held = Frame(number, frame(0).raw, frame(0).format, 0)
        swapper.looked(held, Seen(np.zeros(2), (Sight("cat", 1.0),)), 1000, number)

    for _ in range(80):
        looked(2)
    swapper.begin(SwapHow(compare=0, probation=2, latency_ms=1000.0), "b")
    until(lambda: swapper.between(frame(0)))
    looked(5)
    looked(2)
    until(lambda: swapper.status().state == "done")
    assert swapper.status().dropped == 3


@pytest.mark.parametrize(
    "how",
    [
        SwapHow(compare=-1),
        SwapHow(probation=-1),
        SwapHow(agreement=1.5),
        SwapHow(agreement=float("nan")),
        SwapHow(latency_ms=0.0),
        SwapHow(latency_ms=float("nan")),
        SwapHow(patience_s=float("inf")),
        SwapHow(compare=10**12),
    ],
)
def test_numbers_that_make_no_sense(how: SwapHow) -> None:
    """Refused at once, and the next swap may begin."""
    loop = Loop(Says("old"), Says("new"))
    with pytest.raises(BadRequest, match="make no sense"):
        loop.swapper.begin(how, "b")
    loop.swapper.begin(HOW, "b")
    assert loop.until("done").state == "done"


class Takes(Says):
    """A model of larger pictures; it must never get a frame that was made for the old one alone."""

    def __init__(self, label: str = "cat") -> None:
        """Says always the same."""
        super().__init__("new", label, pixels=LARGE)


def fitting(pixels: Pixels) -> Callable[[Frame], NDArray[np.uint8]]:
    """A converter that refuses to enlarge a frame that came before any wish."""

    def convert(held: Frame) -> NDArray[np.uint8]:
        assert pixels != LARGE or held.wish > 0, "a frame made for the small model alone"
        return np.zeros((pixels.height, pixels.width, 1), np.uint8)

    return convert


def reshaped(label: str = "cat") -> Loop:
    """A loop with small pictures, and a release of large ones to go over to."""
    return Loop(Says("old"), lambda _: Model(Takes(label), fitting))  # type: ignore[arg-type]


def test_to_a_release_of_other_pictures() -> None:
    """Frames for both are asked for; only those are compared and switched on; at the end those for the new one."""
    loop = reshaped()
    loop.swapper.begin(HOW, "b")
    until(lambda: loop.wanted)
    for _ in range(50):
        loop.step()
    status = loop.swapper.status()
    assert (status.state, status.compared, loop.wanted) == ("comparing", 0, [(SMALL, LARGE)])
    loop.wish = 1
    status = loop.until("done")
    assert (status.reshaped, status.compared, status.agreement) == (True, 8, 1.0)
    assert loop.wanted == [(SMALL, LARGE), (LARGE,)]


def test_unseen_it_waits_for_the_first_frame_for_both() -> None:
    """Where nothing is compared too: no switch on a frame that is for the old one alone."""
    loop = reshaped()
    loop.swapper.begin(SwapHow(compare=0, probation=4, latency_ms=1000.0), "b")
    until(lambda: loop.wanted)
    for _ in range(50):
        loop.step()
    assert set(loop.releases) == {"old"}
    loop.wish = 1
    assert loop.until("done").compared == 1
    assert loop.wanted[1:] == [(LARGE,)]


@pytest.mark.parametrize("why", ["disagrees", "no frames"])
def test_refused_after_the_source_was_asked(why: str) -> None:
    """The source is asked for the old one's frames again."""
    loop = reshaped("dog")
    loop.swapper.begin(HOW if why == "disagrees" else replace(HOW, patience_s=0.05), "b")
    loop.wish = int(why == "disagrees")
    status = loop.until("refused")
    assert ("agree on 0 of 8" if loop.wish else "only 0 of 8 frames came within 0.05 s") in status.why
    assert loop.wanted == [(SMALL, LARGE), (SMALL,)]
    assert set(loop.releases) == {"old"}


def test_rolled_back_to_the_old_one_s_frames() -> None:
    """It fails at work."""
    new = Says("new", breaks=20, pixels=LARGE)
    loop = Loop(Says("old"), lambda _: Model(new, fitting))  # type: ignore[arg-type]
    loop.wish = 1
    loop.swapper.begin(HOW, "b")
    assert loop.until("rolled-back").reshaped
    assert loop.wanted == [(SMALL, LARGE), (SMALL,)]


def test_the_source_is_left_alone_for_a_release_of_the_same_pictures() -> None:
    """Other values of black and white are each model's own business."""
    new = Says("new", pixels=replace(SMALL, low=-1.0))
    loop = Loop(Says("old"), new)
    loop.swapper.begin(HOW, "b")
    assert not loop.until("done").reshaped
    assert loop.wanted == []


def test_real_models(tmp_path: Path) -> None:
    """From an int8 model to the float one it came from and back, through the real runtime, fifty times."""
    folders = [make_bundle(tmp_path / kind, kind=kind) for kind in ("int8", "float32")]

    def load(bundle: str) -> Model:
        return Model(Predictor(open_bundle(Path(bundle))), Plain)

    swapper = Swapper(load(str(folders[0])), load, lambda _: None, Decide, lambda _: 0)
    loop = Loop.__new__(Loop)
    loop.swapper, loop.releases, loop.wish = swapper, [], 0
    for turn in range(50):
        swapper.begin(SwapHow(compare=4, probation=4, latency_ms=1000.0), str(folders[(turn + 1) % 2]))
        status = loop.until("done", "refused", "rolled-back")
        assert (status.state, status.agreement, status.dropped, status.switches) == ("done", 1.0, 0, turn + 1)
    assert len(set(loop.releases)) == 2
