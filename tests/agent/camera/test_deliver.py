"""Deliveries: the loop never waits, order, retries, what is dropped is counted, the end."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bramble_agent.camera import deliver
from bramble_agent.camera.ages import Ages
from bramble_agent.camera.deliver import Delivery
from bramble_agent.camera.event import Event
from bramble_agent.camera.line import Line, Room
from bramble_agent.errors import ActionFailed, ActionRefused, BadRequest
from looking import Remembering, until


def event(number: int) -> Event:
    """An event."""
    return Event(f"run-{number}", 0.0, "seen", "cat", 0.9, number, 1.0, "r")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds."""
    monkeypatch.setattr(deliver, "FIRST_PAUSE_S", 0.001)


def ids(action: Remembering) -> list[str]:
    """What came, in order."""
    return [one.id for one in action.events]


def test_all_arrive_in_order() -> None:
    """A hundred events, each once; how old their frames were is recorded."""
    action, ages = Remembering(), Ages()
    delivery = Delivery("a", action, ages)
    delivery.start()
    for number in range(100):
        delivery.put(event(number), None, time.monotonic_ns())
    delivery.stop()
    assert ids(action) == [f"run-{n}" for n in range(100)]
    status = delivery.status()
    assert (status.action, status.done, status.waiting, status.dropped, status.failures) == ("a", 100, 0, 0, 0)
    assert (ages.status().count, action.opened, action.closed) == (100, 1, 1)


def test_tried_again_until_it_works() -> None:
    """Three failures of the first event: it comes first all the same, and once."""
    action = Remembering(fails=[ActionFailed("no route"), ActionFailed("no route"), ActionFailed("closed")])
    delivery = Delivery("a", action, Ages())
    delivery.start()
    delivery.put(event(1), None, 0)
    delivery.put(event(2), None, 0)
    until(lambda: len(action.events) == 2)
    delivery.stop()
    assert ids(action) == ["run-1", "run-2"]
    status = delivery.status()
    assert (status.done, status.failures, status.last_failure) == (2, 3, "closed")


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each twice the last, up to the longest."""
    monkeypatch.setattr(deliver, "FIRST_PAUSE_S", 1.0)
    monkeypatch.setattr(deliver, "LONGEST_PAUSE_S", 5.0)
    pauses: list[float] = []
    monkeypatch.setattr(Delivery, "_pause", lambda _, seconds: pauses.append(seconds) or True)
    delivery = Delivery("a", Remembering(fails=[ActionFailed("x")] * 5), Ages())
    delivery.start()
    delivery.put(event(1), None, 0)
    until(lambda: delivery.status().done == 1)
    delivery.stop()
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_server_may_ask_for_a_longer_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After counts where it is longer than ours, up to a limit."""
    monkeypatch.setattr(deliver, "FIRST_PAUSE_S", 1.0)
    pauses: list[float] = []
    monkeypatch.setattr(Delivery, "_pause", lambda _, seconds: pauses.append(seconds) or True)
    fails = [ActionFailed("busy", after_s=30.0), ActionFailed("busy", after_s=0.5), ActionFailed("busy", after_s=1e9)]
    delivery = Delivery("a", Remembering(fails=fails), Ages())
    delivery.start()
    delivery.put(event(1), None, 0)
    until(lambda: delivery.status().done == 1)
    delivery.stop()
    assert pauses == [30.0, 2.0, 600.0]


@pytest.mark.parametrize("fault", [ActionRefused("too long"), ZeroDivisionError("a bug")])
def test_refused_is_given_up(fault: Exception) -> None:
    """An event that will never be taken, or that breaks the action, is counted; the next one is done."""
    action = Remembering(fails=[fault])
    delivery = Delivery("a", action, Ages())
    delivery.start()
    delivery.put(event(1), None, 0)
    delivery.put(event(2), None, 0)
    delivery.stop()
    assert ids(action) == ["run-2"]
    status = delivery.status()
    assert (status.done, status.refused, status.dropped) == (1, 1, 0)
    assert str(fault.args[0]) in status.last_failure


def test_full_queue_drops_the_oldest_that_waits() -> None:
    """The first is being acted on and stays; of those that wait the newest stay. The loop never waits."""
    action = Remembering()
    action.gate.clear()
    line = Line(Room(events=3))
    delivery = Delivery("a", action, Ages(), line)
    delivery.start()
    delivery.put(event(0), None, 0)
    until(lambda: line._busy)
    for number in range(1, 10):
        delivery.put(event(number), None, 0)
    assert (delivery.status().waiting, delivery.status().dropped, delivery.status().causes) == (3, 7, {"full": 7})
    action.gate.set()
    delivery.stop()
    assert ids(action) == ["run-0", "run-8", "run-9"]


def test_pictures_have_a_budget() -> None:
    """1000 bytes of pictures: two of 400 fit, a third one pushes the first out."""
    action = Remembering(pictures=True)
    action.gate.clear()
    line = Line(Room(bytes=1_000))
    delivery = Delivery("a", action, Ages(), line)
    delivery.start()
    delivery.put(event(0), None, 0)
    until(lambda: line._busy)
    for number in range(1, 4):
        delivery.put(event(number), np.zeros(400, np.uint8), 0)
    action.gate.set()
    delivery.stop()
    assert ids(action) == ["run-0", "run-2", "run-3"]
    assert delivery.status().dropped == 1
    assert [None if p is None else p.nbytes for p in action.shown] == [None, 400, 400]
    assert line._bytes == 0


def test_end_drains_then_counts_what_is_left() -> None:
    """An action that always fails: the end comes in time, and what was not done is dropped."""
    action = Remembering(fails=[ActionFailed("down")] * 10_000)
    delivery = Delivery("a", action, Ages())
    delivery.start()
    for number in range(5):
        delivery.put(event(number), None, 0)
    delivery.stop(patience_s=0.05)
    status = delivery.status()
    assert (status.done, status.waiting, status.dropped, status.causes) == (0, 0, 5, {"end": 5})
    assert action.closed == 1


def test_action_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event counts as dropped, and why is told."""
    action = Remembering()
    action.gate.clear()
    delivery = Delivery("a", action, Ages())
    delivery.start()
    delivery.put(event(0), None, 0)
    delivery.stop(patience_s=0.01)
    assert delivery.status().dropped == 1
    assert delivery.status().last_failure == "it did not come to an end within 0.01 s"
    action.gate.set()


class Hard(Remembering):
    """An action that does not open at once."""

    def __init__(self, *fails: Exception) -> None:
        """``fails`` at opening."""
        super().__init__()
        self._refusals = list(fails)

    def open(self) -> None:
        """Fail, or open."""
        super().open()
        if self._refusals:
            raise self._refusals.pop(0)


def test_opening_that_fails_is_tried_again() -> None:
    """A broker that is down at the start is no reason not to look; events wait for it."""
    action = Hard(ActionFailed("refused"), ActionFailed("refused"))
    delivery = Delivery("a", action, Ages())
    delivery.start()
    delivery.put(event(1), None, 0)
    until(lambda: delivery.status().done == 1)
    delivery.stop()
    assert (action.opened, ids(action)) == (3, ["run-1"])


def test_an_error_of_a_librarys_own_kind() -> None:
    """A busy pin, say: it is told and tried again, the thread lives."""
    action = Hard(Exception("GPIO busy"))  # type: ignore[arg-type]
    delivery = Delivery("a", action, Ages())
    delivery.start()
    delivery.put(event(1), None, 0)
    until(lambda: delivery.status().done == 1)
    delivery.stop()
    assert delivery.status().failures == 1
    assert delivery.status().last_failure == "Exception: GPIO busy"


def test_opening_that_never_works_is_said_at_the_start() -> None:
    """Wrong credentials, no such library."""
    delivery = Delivery("a", Hard(BadRequest("wrong password")), Ages())
    with pytest.raises(BadRequest, match="wrong password"):
        delivery.start()
    delivery.stop()
    assert delivery.status().last_failure == "wrong password"
