"""The capture thread: newest wins, every frame of a file, drops by cause, release and back-off by our clock."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

from agent.camera.scripted import GRAY, Clock, Scripted
from bramble_agent.camera.capture import Capture, Patience
from bramble_agent.camera.frame import Frame
from bramble_agent.camera.newest import Newest
from bramble_agent.camera.slot import Slot
from bramble_agent.camera.wishes import Wishes
from bramble_agent.errors import BadRequest, CameraBusy, CameraLost, CameraMissing, FrameDamaged
from bramble_agent.wire import Pixels

LOST, DAMAGED = CameraLost("unplugged"), FrameDamaged("half a frame")
WAIT_S = 10.0  # for another thread; never reached unless the test fails


def captured(source: Scripted, patience: Patience | None = None) -> tuple[Slot, Clock, Capture]:
    """Run a capture of ``source`` to its end in this thread, by a clock of its own."""
    slot, clock = Slot(), Clock()
    capture = Capture(source, slot, patience or Patience(), clock)
    capture.wait = clock.wait
    capture.run()
    return slot, clock, capture


def all_frames(frames: Newest) -> list[Frame]:
    """Every frame until the end."""
    got = []
    while not frames.ended:
        frame = frames.take(WAIT_S)
        if frame is not None:
            assert set(frame.raw) == {frame.number % 256}
            got.append(frame)
    return got


def test_every_frame_of_a_file_in_order() -> None:
    """A source that is not live waits for the loop: nothing is dropped, although its buffer is always the same."""
    frames = Newest(Scripted(range(300), live=False))
    frames.start()
    assert [frame.number for frame in all_frames(frames)] == list(range(300))
    frames.stop()
    assert frames.counts() == {"frames": 300, "late": 0, "missed": 0, "damaged": 0, "lost": 0, "hung": 0}
    assert frames.take(0) is None


def test_the_newest_frame_wins() -> None:
    """Nobody took the first four: they are late, the fifth is what the loop gets, and then comes the end."""
    slot, _, _ = captured(Scripted(range(5)))
    frame = slot.take(0)
    assert frame is not None
    assert (frame.number, set(frame.raw)) == (4, {4})
    assert slot.counts["frames"] - 1 == slot.counts["late"] == 4
    assert slot.ended


def test_a_taken_frame_stays_until_the_next_is_taken() -> None:
    """The capture goes on while the loop looks at a frame, and never writes into that one's buffer."""
    slot, stop = Slot(), threading.Event()
    source = Scripted(range(1, 9))
    source.open()
    for looked_at in range(1, 5):
        frame = source.read()
        assert frame is not None
        slot.put(frame, True, stop)
        taken = slot.take(0)
        assert taken is not None
        later = source.read()
        if later is not None:
            slot.put(later, True, stop)
            slot.put(later, True, stop)
        assert set(taken.raw) == {2 * looked_at - 1}


def test_no_array_is_made_per_frame() -> None:
    """After three frames the buffers are there; frames of any smaller size fit into them."""
    slot, stop = Slot(), threading.Event()
    large, small = (Frame(1, np.zeros(size, np.uint8), GRAY, 0) for size in (300_000, 200_000))

    def pass_on(frame: Frame) -> None:
        slot.put(frame, True, stop)
        taken = slot.take(0)
        assert taken is not None
        assert taken.raw.size == frame.raw.size

    for _ in range(3):
        pass_on(large)
        pass_on(large)
    tracemalloc.start()
    for _ in range(20):
        pass_on(small)
        pass_on(large)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8192


def test_gaps_and_damage_are_counted() -> None:
    """What the source skipped by its own numbers is missed, what could not be used is damaged; none counts twice."""
    slot, _, _ = captured(Scripted([0, 1, DAMAGED, 3, 7, DAMAGED, DAMAGED, 12]))
    assert slot.counts == {"frames": 5, "late": 4, "missed": 5, "damaged": 3, "lost": 0}


def test_a_lost_source_is_released_and_tried_again() -> None:
    """Back-off doubles up to its limit, begins anew after a frame, and numbers go on where they were."""
    busy = CameraBusy("held by motion (pid 7)")
    openings = [None, busy, CameraMissing("gone"), LOST, busy, None, None]
    source = Scripted([5, 6, LOST, 0, 1, LOST, 9], openings=openings)
    slot, clock, _ = captured(source, Patience(again_s=1, most_s=5))
    assert clock.waits == [1, 2, 4, 5, 5, 1]
    assert source.calls == ["open", "close"] * 7
    assert slot.counts["lost"] == 2
    frame = slot.take(0)
    assert frame is not None
    assert frame.number == 4
    assert slot.counts["missed"] == 0


def test_what_was_a_camera_may_be_none_for_a_while() -> None:
    """Plugged in again, its name may be another device's for a while: a camera that was read is waited for."""
    source = Scripted([0, LOST, 5], openings=[None, BadRequest("gives GREY, not NV12"), None])
    slot, _, _ = captured(source)
    assert (slot.counts["frames"], slot.counts["lost"]) == (2, 1)
    assert source.calls == ["open", "close"] * 3


def test_trouble_says_what_is_wrong_until_frames_come() -> None:
    """While the source is away its error is told."""
    seen: list[str] = []
    slot, clock = Slot(), Clock()
    source = Scripted([1, LOST, lambda: seen.append(capture.trouble), 2, lambda: seen.append(capture.trouble), None])
    capture = Capture(source, slot, Patience(), clock)
    capture.wait = clock.wait
    capture.run()
    assert seen == ["unplugged", ""]


def test_nothing_but_damaged_frames_is_as_good_as_lost() -> None:
    """After ``stuck_s`` without a whole frame the source is released and opened again."""
    clock = Clock()
    source = Scripted([1, DAMAGED, lambda: clock.wait(9), DAMAGED, lambda: clock.wait(2), DAMAGED, 2, None])
    slot = Slot()
    capture = Capture(source, slot, Patience(stuck_s=10), clock)
    capture.wait = clock.wait
    capture.run()
    assert source.calls == ["open", "close"] * 2
    assert (slot.counts["lost"], slot.counts["damaged"], slot.counts["frames"]) == (1, 3, 2)


@pytest.mark.parametrize("error", [CameraMissing("no camera"), CameraBusy("held"), BadRequest("what?")])
def test_the_first_opening_fails_at_once(error: Exception) -> None:
    """Who starts a loop without a camera is told so, by the thread that takes frames."""
    slot, clock, _ = captured(Scripted([1], openings=[error]))
    with pytest.raises(type(error), match=str(error)):
        slot.take(0)
    assert clock.waits == []


def test_the_first_opening_may_be_waited_for() -> None:
    """With ``first_s`` a camera that comes a minute late is found; one that does not come is given up."""
    missing = CameraMissing("no camera")
    slot, clock, _ = captured(Scripted([1], openings=[missing] * 6), Patience(first_s=60))
    assert slot.counts["frames"] == 1
    assert slot.counts["lost"] == 0
    assert sum(clock.waits) == 31.5
    slot, _, _ = captured(Scripted([1], openings=[missing] * 60), Patience(first_s=60))
    with pytest.raises(CameraMissing):
        slot.take(0)


def test_a_camera_that_does_not_start_is_tried_again() -> None:
    """A first opening that ends in CameraLost (a stream that could not be switched on) is no reason to give up."""
    slot, clock, _ = captured(Scripted([1], openings=[LOST]))
    assert (slot.counts["frames"], slot.counts["lost"], clock.waits) == (1, 0, [0.5])


def test_a_file_that_is_lost_ends_with_its_error() -> None:
    """A file is not opened again from its beginning; what came before is still given."""
    slot, _, _ = captured(Scripted([1, LOST], live=False))
    assert slot.take(0) is not None
    with pytest.raises(CameraLost, match="unplugged"):
        slot.take(0)


def test_an_error_that_nobody_expected_reaches_the_loop() -> None:
    """A bug in a source's library ends the loop; it does not leave it waiting."""
    slot, _, _ = captured(Scripted([ZeroDivisionError("a bug")]))
    with pytest.raises(ZeroDivisionError):
        slot.take(0)


def test_stop_while_waiting_for_the_loop() -> None:
    """A file's capture that waits for its frame to be taken ends at once."""
    source = Scripted(range(10**6), live=False)
    frames = Newest(source)
    frames.start()
    assert frames.take(WAIT_S) is not None
    frames.stop()
    assert source.calls == ["open", "close"]
    assert source.thread is not None
    assert not source.thread.is_alive()


def test_stop_while_waiting_to_try_again() -> None:
    """A back-off of an hour does not hold up a stop."""
    lost, source = threading.Event(), Scripted([1, LOST])
    source.close = lost.set  # type: ignore[method-assign]
    frames = Newest(source, patience=Patience(again_s=3600, stop_s=WAIT_S))
    frames.start()
    assert lost.wait(WAIT_S)
    frames.stop()
    assert source.thread is not None
    assert not source.thread.is_alive()


def test_a_source_that_hangs() -> None:
    """It is left to its thread, another takes its place, and what it gives when it wakes up is not looked at."""
    clock, hangs, woken = Clock(), threading.Event(), threading.Event()

    def hang(*_: Any) -> None:
        hangs.set()
        woken.wait(WAIT_S)

    first, second = Scripted([1, hang, 2, 3]), Scripted([0, 1, None], live=False)
    frames = Newest(first, lambda: second, Patience(stuck_s=10), clock)
    frames.start()
    assert hangs.wait(WAIT_S)
    assert getattr(frames.take(0), "number", None) == 0
    assert (frames.take(0), frames.trouble) == (None, "")
    clock.wait(11)
    assert "not answered for 11 s" in frames.trouble
    assert frames.take(0) is None
    assert [frame.number for frame in (frames.take(WAIT_S), frames.take(WAIT_S)) if frame] == [1, 2]
    assert frames.counts()["hung"] == 1
    woken.set()
    assert first.thread is not None
    first.thread.join(WAIT_S)
    assert first.calls == ["open", "close"]
    frames.stop()
    assert frames.counts()["frames"] == 3


def test_stop_does_not_wait_for_a_source_that_hangs() -> None:
    """After ``stop_s`` the loop ends; the thread lets go when it can."""
    hangs, woken = threading.Event(), threading.Event()
    source = Scripted([1, hangs.set, lambda: woken.wait(WAIT_S), 2])
    frames = Newest(source, patience=Patience(stop_s=0.01))
    frames.start()
    assert hangs.wait(WAIT_S)
    frames.stop()
    assert source.calls == ["open"]
    woken.set()
    assert source.thread is not None
    source.thread.join(WAIT_S)
    assert source.calls == ["open", "close"]


SMALL, LARGE = Pixels(4, 4), Pixels(8, 8)


def test_frames_for_others() -> None:
    """The capturing thread tells the source between two frames; numbers go on although the source begins anew."""
    frames = Newest(source := Scripted([5, 6, lambda: wish.append(frames.want((SMALL, LARGE))), 7, 0, 1], live=False))
    wish: list[int] = []
    frames.start()
    got = []
    while not frames.ended:
        frame = frames.take(WAIT_S)
        if frame is not None:
            got.append((frame.number, frame.wish))
    frames.stop()
    assert (wish, source.wanted) == ([1], [(SMALL, LARGE)])
    assert got == [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1)]
    assert frames.counts()["missed"] == 0


def test_a_source_that_is_lost_when_it_is_told() -> None:
    """It is opened again, with what is wanted last."""
    wishes = Wishes()
    source = Scripted([1, lambda: wishes.tell((LARGE,)), 2, 3, None])
    told: list[str] = []

    def want(wanted: Any) -> None:
        told.append(source.calls[-1])
        if len(told) == 1:
            raise LOST

    source.want = want  # type: ignore[method-assign]
    slot, clock = Slot(), Clock()
    capture = Capture(source, slot, Patience(again_s=1), clock, wishes)
    capture.wait = clock.wait
    capture.run()
    assert (told, source.calls) == (["open", "close"], ["open", "close"] * 2)
    frame = slot.take(0)
    assert frame is not None
    assert (frame.wish, slot.counts["lost"]) == (1, 1)


def test_what_takes_the_place_of_a_source_that_hangs_is_told_too() -> None:
    """Before it is opened: after a swap the other one would be for the old model."""
    clock, hangs, woken = Clock(), threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        woken.wait(WAIT_S)

    first, second = Scripted([1, hang]), Scripted([0, None], live=False)
    frames = Newest(first, lambda: second, Patience(stuck_s=10), clock)
    frames.want((LARGE,))
    frames.start()
    assert hangs.wait(WAIT_S)
    frames.want((SMALL,))
    assert frames.take(0) is not None
    clock.wait(11)
    frames.take(0)
    frame = frames.take(WAIT_S)
    assert frame is not None
    assert (frame.wish, first.wanted, second.wanted) == (2, [(LARGE,)], [(SMALL,)])
    woken.set()
    frames.stop()
