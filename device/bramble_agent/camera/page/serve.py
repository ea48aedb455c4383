"""The page beside a loop: listens, hangs itself into the loop's hooks, and goes with the loop."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ...errors import BadRequest, Busy
from ...wire_camera import CameraAsk, CameraStatus
from ..control import Command
from ..event import Prediction
from ..frame import Frame
from ..looker import Hooks
from ..stats import Stats
from .access import Access
from .preview import Preview
from .routes import Routes, Shown
from .server import Server
from .token import token
from .watch import Watch

POLL_S = 0.2
HINT = 'write "127.0.0.1:8080", or "0.0.0.0:8080" for the whole network'


@dataclasses.dataclass(frozen=True)
class Inside:
    """What of the loop the page needs."""

    stats: Stats
    handle: Callable[[Command], CameraStatus]
    labels: Callable[[], Sequence[str]]


@contextmanager
def paged(ask: CameraAsk, inside: Inside, hooks: Hooks) -> Iterator[Hooks]:
    """Within, the page is at ``ask.page``; gives the hooks with which it sees what the loop does.

    Raises BadRequest for an address or a token that is none, Busy where another program listens there.
    """
    host, port = address(ask.page)
    access = Access(host, token(ask, host), inside.stats.run)
    watch, preview = Watch(inside.stats), Preview(inside.stats.decide)
    shown = Shown(inside.stats, watch, preview, access, inside.handle, inside.labels, ask.fps)
    with _listening(host, port, type("Page", (Routes,), {"shown": shown})) as server:
        inside.stats.page = server.address
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), name="page", daemon=True)
        thread.start()
        try:
            yield _watched(hooks, watch, preview)
        finally:
            preview.stop()
            server.shutdown()
            thread.join()


def address(text: str) -> tuple[str, int]:
    """Host and port of a "host:port"; an IPv6 address is in brackets, no host is loopback, port 0 one that is free."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise BadRequest(f"{text[:80]!r} is no address for a page", "write an IPv6 address in brackets: [::1]:8080")
    if not colon or not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65_536):
        raise BadRequest(f"{text[:80]!r} is no address for a page", HINT)
    return host or "127.0.0.1", int(port)


def _listening(host: str, port: int, handler: type[Routes]) -> Server:
    try:
        return Server(host, port, handler)
    except OSError as error:
        where = f"the page cannot be at {host}:{port}: {error.strerror or error}"
        if isinstance(error, PermissionError) or "in use" in str(error):
            raise Busy(where, "choose another port, above 1023") from error
        raise BadRequest(where, HINT) from error
    except UnicodeError as error:
        raise BadRequest(f"{host[:80]!r} is no host", HINT) from error


def _watched(hooks: Hooks, watch: Watch, preview: Preview) -> Hooks:
    def prediction(told: Prediction, frame: Frame) -> None:
        watch.prediction(told)
        preview.offer(told, frame)
        hooks.prediction(told, frame)

    def tick() -> None:
        watch.tick()
        hooks.tick()

    return dataclasses.replace(hooks, prediction=prediction, tick=tick)
