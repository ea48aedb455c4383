"""Pins, on gpiozero's own mock of a board."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory

from agent.camera.actions.making_events import event, made
from bramble_agent.camera.actions.gpio import Gpio
from bramble_agent.camera.actions.settings import Settings
from bramble_agent.errors import ActionFailed, ActionRefused, BadRequest
from looking import until

NOW = 1_700_000_001.0


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    """A Pi without wires."""
    factory = MockFactory()
    monkeypatch.setattr(gpiozero.Device, "pin_factory", factory)
    yield factory
    factory.reset()


def opened(pin: str, *options: tuple[str, str]) -> Gpio:
    """An action at a time just after the tests' event."""
    action = Gpio(pin, Settings("gpio", options), lambda: NOW)
    action.open()
    return action


def test_high_while_something_is_seen(board: MockFactory) -> None:
    """Two things come and go: high from the first that comes to the last that goes; low at the end."""
    action, pin = opened("17"), board.pin(17)
    states = []
    for label, what in [("cat", "seen"), ("dog", "seen"), ("cat", "gone"), ("dog", "gone"), ("dog", "seen")]:
        action.act(event(label=label, what=what), None)
        states.append(pin.state)
    assert states == [1, 1, 1, 0, 1]
    action.close()
    assert pin.function == "input"  # let go of


def test_pulse(board: MockFactory) -> None:
    """High when it comes into sight, low after the time, nothing when it goes."""
    action, pin = opened("GPIO4", ("seconds", "0.05")), board.pin(4)
    action.act(event(what="gone"), None)
    assert pin.state == 0
    action.act(event(), None)
    until(lambda: [one.state for one in pin.states] == [0, 1, 0])
    action.act(event(), None)
    until(lambda: [one.state for one in pin.states] == [0, 1, 0, 1, 0])
    action.close()


def test_low(board: MockFactory) -> None:
    """A relay that closes at 0 volt: high at rest."""
    action, pin = opened("17", ("low", "1")), board.pin(17)
    assert pin.state == 1
    action.act(event(), None)
    assert pin.state == 0
    action.close()


def test_no_pulse_for_what_is_over(board: MockFactory) -> None:
    """An event that waited for a minute does nothing, and is counted."""
    action = opened("17", ("seconds", "1"))
    with pytest.raises(ActionRefused, match="60 s old"):
        action.act(event(at=NOW - 60.0), None)
    assert board.pin(17).state == 0
    action.close()


@pytest.mark.parametrize("pin", ["99", "GPIO77", "front"])
def test_no_such_pin(pin: str, board: MockFactory) -> None:
    """It is said at the start."""
    with pytest.raises(BadRequest, match=f"gpio:{pin}"):
        opened(pin)


def test_pin_in_use(board: MockFactory) -> None:
    """Another one has it: later it may be free."""
    first = opened("17")
    with pytest.raises(ActionFailed, match="17"):
        opened("17")
    first.close()
    opened("17").close()


def test_nothing_to_drive_it_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """No gpiozero, or gpiozero without a library for this board's pins: what to install."""

    def none(*_: Any, **__: Any) -> None:
        raise gpiozero.BadPinFactory("none")

    with monkeypatch.context() as patch:
        patch.setattr(gpiozero, "DigitalOutputDevice", none)
        with pytest.raises(BadRequest, match="no way to drive") as caught:
            opened("17")
        assert "lgpio" in caught.value.hint
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    with pytest.raises(BadRequest, match="cannot be imported"):
        made("gpio:17").open()
