"""The way to a camera loop's live page: its address where it is on this machine, a tunnel where it is on a board."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from bramble.errors import BrambleError, CameraError, UsageError
from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.types import Board
from bramble_agent.wire_camera import ControlAnswer, ControlAsk

ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on
MISSES, ANSWER_S = 5, 10.0


@dataclass(frozen=True)
class View:
    """A page at ``url`` here; ``wait`` lets seconds pass, and raises UnreachableError once the way is gone."""

    url: str
    wait: Callable[[float], None]


@contextmanager
def viewing(board: Board, name: str, port: int = 0) -> Iterator[View]:
    """Within, the live page of the loop ``name`` can be opened on this machine, over SSH on ``port`` (0: any).

    Raises UnreachableError, what the agent refuses, and UsageError where the loop has no page or the port is taken.
    """
    with connect(board) as connection:
        page = ask(connection, board, ControlAsk(board.root, name), ControlAnswer).status.page
        if not page:
            raise UsageError(
                f"the loop {name!r} on {board.name} shows no page", 'start it with a page: --page "127.0.0.1:8080"'
            )
        host, _, there = page.rpartition(":")
        host = host.strip("[]")
        host = ANY.get(host, host)
        if not board.host:
            url = f"http://{f'[{host}]' if ':' in host else host}:{there}/"
            yield View(url, _while_it_answers(url, time.sleep))
            return
        from bramble.fleet.ssh.connection import SshConnection
        from bramble.fleet.ssh.tunnel import Tunnel

        if not isinstance(connection, SshConnection):
            raise BrambleError(f"{board.name} is not reached over SSH", "view the page on the board itself")
        try:
            way = Tunnel(connection, (host, int(there)), port)
        except OSError as error:
            raise UsageError(
                f"port {port} of this machine cannot be used: {error.strerror or error}", "choose another --port"
            ) from error
        with closing(way):
            url = f"http://{way.address}/"
            yield View(url, _while_it_answers(url, way.wait))


def _while_it_answers(url: str, wait: Callable[[float], None]) -> Callable[[float], None]:
    """Wait, then see whether the page is still there; a loop that is started anew has a little time to come back."""
    missed = 0

    def wait_and_see(seconds: float) -> None:
        nonlocal missed
        wait(seconds)
        missed = 0 if _answers(url) else missed + 1
        if missed >= MISSES:
            raise CameraError("the live page is gone: its loop has ended", "bramble camera status BOARD tells more")

    return wait_and_see


def _answers(url: str) -> bool:
    """Whether a server is there, whatever it says: it may want a token, or be unwell."""
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_S)
    try:
        client.request("GET", "/healthz")
        return client.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()
