"""A port of this machine's loopback that leads through SSH to an address as the board sees it.

Every connection is a channel of its own over the one link; two threads carry its bytes. Nobody but this machine can
use the port, and the board opens none.
"""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress

import paramiko

from bramble.errors import UnreachableError
from bramble.fleet.ssh.connection import SshConnection

PIECE = 1 << 16
AT_ONCE = 32
STOP_S = 2.0


class Tunnel:
    """``address`` is "127.0.0.1:port" here; it is open while the link lives."""

    def __init__(self, connection: SshConnection, there: tuple[str, int], port: int = 0) -> None:
        """Listen on ``port`` (0: any that is free). Raises UnreachableError where nothing answers there, OSError."""
        self._connection, self._there = connection, there
        connection.dial(*there).close()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it begins."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises UnreachableError once the link is gone."""
        if not self._connection.lives(seconds):
            raise UnreachableError("the link to the board is gone", "is it on? the same command starts anew")

    def close(self) -> None:
        """Stop listening; what goes through ends with the link."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self._thread.join(STOP_S)

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            self._room.acquire()
            threading.Thread(target=self._carry, args=(here,), daemon=True).start()

    def _carry(self, here: socket.socket) -> None:
        """One connection, to its end in both directions."""
        try:
            with here, suppress(UnreachableError), closing(self._connection.dial(*self._there)) as there:
                back = threading.Thread(target=_pump, args=(there, here), daemon=True)
                back.start()
                _pump(here, there)
                back.join()
        finally:
            self._room.release()


def _pump(source: socket.socket | paramiko.Channel, target: socket.socket | paramiko.Channel) -> None:
    """Carry bytes until there are no more; then the other side is told so, or that its bytes go nowhere."""
    with suppress(OSError, EOFError, paramiko.SSHException):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    with suppress(OSError, EOFError, paramiko.SSHException):
        target.shutdown(socket.SHUT_WR)
    with suppress(OSError, EOFError, paramiko.SSHException):
        source.shutdown(socket.SHUT_RD)
