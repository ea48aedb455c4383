"""A pin that is high while something is seen, or for some seconds each time something comes into sight (gpiozero).

An event that comes late is of no use here, so none is kept over a restart, and one older than STALE_S does nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Set

from ...errors import ActionFailed, ActionRefused, BadRequest
from ..event import Event
from .settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN = ("seconds", "low")
STALE_S = 10.0
INSTALL = "install them on the board: pip install gpiozero lgpio (or apt install python3-gpiozero python3-lgpio)"


class Gpio:
    """An action. ``clock`` is seconds since 1970."""

    pictures = False
    kept = False

    def __init__(self, pin: str, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """``pin`` as gpiozero names it (17, GPIO17, BOARD11); ``seconds`` of a pulse (0: as long as it is seen)."""
        self._pin: int | str = int(pin) if pin.isdigit() else pin
        self._seconds = settings.seconds("seconds", 0.0)
        self._high = not settings.flag("low")
        self._clock = clock
        self._device: Any = None
        self._seen: Set[str] = set()

    def open(self) -> None:
        """Take the pin. Raises BadRequest where there is no such pin or nothing to drive it with, ActionFailed."""
        self.close()
        try:
            import gpiozero
        except ImportError as error:
            raise BadRequest("pins are driven by gpiozero, which cannot be imported", INSTALL) from error
        try:
            self._device = gpiozero.DigitalOutputDevice(self._pin, active_high=self._high)
        except gpiozero.BadPinFactory as error:
            raise BadRequest("gpiozero finds no way to drive this board's pins", INSTALL) from error
        except gpiozero.PinError as error:
            raise BadRequest(
                f"gpio:{self._pin}: {error}", "a pin's number as the Pi counts them, like gpio:17"
            ) from None
        except (gpiozero.GPIOZeroError, OSError) as error:
            raise ActionFailed(f"gpio:{self._pin}: {error}", "does another program use that pin?") from error

    def act(self, event: Event, picture: NDArray[Any] | None) -> None:
        """Set the pin. Raises ActionRefused for an event that waited too long to be of use."""
        late_s = self._clock() - event.at
        self._seen = self._seen | {event.label} if event.what == "seen" else self._seen - {event.label}
        if not self._seconds:
            self._device.value = bool(self._seen)
        elif event.what == "seen":
            if late_s > STALE_S:
                raise ActionRefused(f"the event is {late_s:.0f} s old")
            self._device.blink(on_time=self._seconds, off_time=0.0, n=1)

    def close(self) -> None:
        """Low, and let go of the pin."""
        device, self._device = self._device, None
        self._seen = set()
        if device is not None:
            device.close()
