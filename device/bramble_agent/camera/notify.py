"""Tell a service manager how the loop does, as sd_notify(3) says: READY, WATCHDOG, STATUS, STOPPING.

The manager (systemd, or ``supervise``) names a datagram socket in $NOTIFY_SOCKET, and in $WATCHDOG_USEC the time after
which it ends a process that does not say WATCHDOG=1. That is said from the loop's own thread only, so a loop that hangs
is found out. A camera that hangs is not the loop's fault: ``newest`` lets go of it and tries again. Only where so many
sources hung one after the other, without a frame in between, a new process is the last resort, and nothing is said.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress

from .looker import Hooks
from .stats import Stats

FEEDS = 3.0  # how often in the manager's time the watchdog is fed
STATUS_S = 5.0
HUNG_MOST = 8
SOCKET, WATCHDOG, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Notifier:
    """Sends lines to the manager's socket; without one it does nothing. Never waits, never fails."""

    def __init__(self, address: str) -> None:
        """``address`` is a path, or "@name" for a socket without a file."""
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, *lines: str) -> None:
        """Send lines as one message."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
            mouth.setblocking(False)  # the manager restarts, or is too busy to listen: the next line will do
            mouth.sendto("\n".join(lines).encode(), self._address)


class Heart:
    """The loop's hooks that keep a service manager informed."""

    def __init__(self, notifier: Notifier, watchdog_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``watchdog_s`` is the manager's time; 0 where it has no watchdog."""
        self._notifier, self._clock = notifier, clock
        self._feed_s = watchdog_s / FEEDS
        self._stats: Stats | None = None
        self._fed = self._told = float("-inf")
        self._frames = self._hung = 0

    def hooks(self) -> Hooks:
        """What the loop has to call."""
        return Hooks(began=self.began, tick=self.tick, ended=self.ended)

    def began(self, stats: Stats) -> None:
        """The loop looks from now on."""
        self._stats = stats
        self._notifier.tell("READY=1")

    def tick(self) -> None:
        """The loop goes round."""
        now = self._clock()
        if self._feed_s and now - self._fed >= self._feed_s and not self._beyond_help():
            self._fed = now
            self._notifier.tell("WATCHDOG=1")
        if now - self._told >= STATUS_S and self._stats is not None:
            self._told = now
            self._notifier.tell(f"STATUS={status(self._stats)}")

    def ended(self) -> None:
        """The loop lets go of everything."""
        self._notifier.tell("STOPPING=1")

    def _beyond_help(self) -> bool:
        counts = {} if self._stats is None else self._stats.captured()
        frames, hung = counts.get("frames", 0), counts.get("hung", 0)
        if frames != self._frames:
            self._frames, self._hung = frames, hung
        return hung - self._hung >= HUNG_MOST


def status(stats: Stats) -> str:
    """The loop in a line, as ``systemctl status`` shows it."""
    trouble, fps = stats.trouble(), stats.fps()
    told = f"{stats.frames} frames, {stats.events} events, release {stats.release[:12]}"
    if trouble:
        return f"{' '.join(trouble.split())}; {told}"
    return f"{fps:.1f} fps, {told}" if fps is not None else told


def heart(environment: MutableMapping[str, str] = os.environ) -> Heart:
    """The heart for the manager that the environment names; what the loop starts in turn does not see it."""
    address = environment.pop(SOCKET, "")
    microseconds, pid = environment.pop(WATCHDOG, ""), environment.pop(WATCHDOG_PID, "")
    ours = pid in ("", str(os.getpid())) and microseconds.isdigit()
    return Heart(Notifier(address), int(microseconds) / 1e6 if ours and address else 0.0)
