"""Cut a link when the time is over, or nothing at all comes any more.

Some of the library's waits have no timeout, and a full socket blocks for ever.

What has moved is told by the far side's window: it opens only when a command there has taken something. What went into
our own socket says little, for a slow link has seconds of it still before it. The window opens about every 100 kB:
a patience of a minute is enough from 2 kB/s on.

A command may compute for long and say nothing. Its server still answers keepalives: where no message of
any kind comes for ``SILENCE_S``, the link or the board is dead, whatever time the command has left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

import paramiko

from bramble.fleet.feed import Deadline
from bramble.fleet.ssh.link import SILENCE_S, Transport

GRACE_S = 1.0


class Watch:
    """A thread that looks at one channel, lets a sliding deadline start anew, and cuts a little after it.

    ``silent`` says that it cut because nothing came.
    """

    def __init__(self, deadline: Deadline, transport: Transport, cut: Callable[[], None]) -> None:
        self.channel: paramiko.Channel | None = None
        self.silent = False
        self._deadline, self._transport, self._cut = deadline, transport, cut
        self._done = threading.Event()

    def __enter__(self) -> Watch:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._done.set()

    def _watch(self) -> None:
        seen, heard, quiet_s = self._signs(), self._transport.heard, 0.0
        while not self._done.wait(pause := self._pause()):
            now = self._signs()
            quiet_s = quiet_s + pause if self._transport.heard == heard else 0.0
            heard = self._transport.heard
            if now != seen:
                self._deadline.moved()
                seen = now
            self.silent = quiet_s >= SILENCE_S
            if self.silent or self._deadline.left() <= -GRACE_S:
                self._cut()
                return

    def _pause(self) -> float:
        left = max(0.05, self._deadline.left() + GRACE_S)
        return min(left, 1.0, self._deadline.seconds / 4) if self._deadline.sliding else min(left, 1.0)

    def _signs(self) -> tuple[int, int]:
        return (self.channel.out_window_size, self.channel.in_window_sofar) if self.channel else (0, 0)
