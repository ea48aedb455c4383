"""A TCP proxy that is a bad network: it delays, slows down, falls silent, hangs up, or damages a byte.

Positions count the bytes of one link that have gone either way, so that a fault can be put at any of them.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

PIECE = 1 << 14
ON_THE_WAY = 64  # pieces


@dataclass
class Faults:
    """What the network does; it may be changed while links are open, and counts for them too.

    ``delay_s`` is one way; ``rate`` bytes a second each way. After ``stall`` bytes nothing passes any more, after
    ``cut`` bytes both ends are hung up on; the byte at ``damage`` has a bit flipped.
    """

    delay_s: float = 0.0
    rate: float = 0.0
    stall: int | None = None
    cut: int | None = None
    damage: int | None = None


class Proxy:
    """A running proxy: its port, its faults, and what went through the newest link."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.faults = Faults()
        self.moved = 0
        self.turns = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End all links."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.faults = Faults(cut=0)
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in self._sockets:
            one.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(one)
            _Link(self, client, server)

    def _start(self, *threads: threading.Thread) -> None:
        self._threads += threads
        for thread in threads:
            thread.start()


class _Link:
    """One connection: a reader and a writer for each direction, which share the count."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._ends = proxy, (client, server)
        self._lock = threading.Lock()
        self._moved, self._done = 0, False
        proxy.moved = proxy.turns = 0
        self._last: socket.socket | None = None
        for source, target in ((client, server), (server, client)):
            line: queue.Queue[tuple[float, bytes]] = queue.Queue(ON_THE_WAY)
            proxy._start(
                threading.Thread(target=self._read, args=(source, line), daemon=True),
                threading.Thread(target=self._write, args=(target, line), daemon=True),
            )

    def _read(self, source: socket.socket, line: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"start"
        while data and not self._done:
            try:
                data = source.recv(PIECE)
            except OSError:
                data = b""
            due = time.monotonic() + self._proxy.faults.delay_s
            while not self._done:
                with suppress(queue.Full):
                    line.put((due, data), timeout=0.05)
                    break

    def _write(self, target: socket.socket, line: queue.Queue[tuple[float, bytes]]) -> None:
        while not self._done:
            try:
                due, data = line.get(timeout=0.05)
            except queue.Empty:
                continue
            if not data:
                break
            if self._proxy.faults.rate:
                time.sleep(len(data) / self._proxy.faults.rate)
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                target.sendall(self._passed(target, data))
            except OSError:
                self._done = True
                break
            if self._over(self._proxy.faults.cut):
                for one in self._ends:
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                self._done = True
            while self._over(self._proxy.faults.stall):
                time.sleep(0.01)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _over(self, limit: int | None) -> bool:
        return limit is not None and self._moved >= limit

    def _passed(self, target: socket.socket, data: bytes) -> bytes:
        """What of a piece passes, damaged where it must be."""
        faults = self._proxy.faults
        with self._lock:
            for limit in (faults.stall, faults.cut):
                if limit is not None:
                    data = data[: max(0, limit - self._moved)]
            if faults.damage is not None and 0 <= faults.damage - self._moved < len(data):
                at = faults.damage - self._moved
                data = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
            self._moved += len(data)
            self._proxy.moved = self._moved
            if self._last is not target:
                self._last = target
                self._proxy.turns += 1
        return data


@contextmanager
def proxied(port: int) -> Iterator[Proxy]:
    """A proxy before a port of this machine."""
    proxy = Proxy(("127.0.0.1", port))
    try:
        yield proxy
    finally:
        proxy.close()
