"""What is at which path. Every request is judged first: its Host, where it comes from, who asks."""

from __future__ import annotations

import json
import pkgutil
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Optional
from urllib.parse import parse_qs

from ...codec import decode, encode
from ...errors import AgentError, BadRequest, Busy
from ...wire import WIRE_VERSION, ErrorAnswer
from ...wire_camera import CameraStatus, Tuning
from ..control import LINE_BYTES, Command
from ..redact import without_secrets
from ..stats import Stats
from ..tell import frame_line
from .access import KEY_HEADER, Access
from .metrics import TYPE, metrics
from .preview import Preview
from .server import Timed
from .watch import Watch

TEXT, HTML, JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"
FILES = {
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
BEFORE_LOGIN = "/page.css"
BOUNDARY = "frame"
JPEG = "image/jpeg"
PICTURE_S = 5.0
SEND_BYTES = 128 << 10  # of a viewer's socket: one that is slow shall not see what is long over
GUESS_S = 0.5


@dataclass(frozen=True)
class Shown:
    """What the page shows and may do; ``fps`` is the rate that was asked for."""

    stats: Stats
    watch: Watch
    preview: Preview
    access: Access
    handle: Callable[[Command], CameraStatus]
    labels: Callable[[], Sequence[str]]
    fps: Optional[float]


class Routes(Timed):
    """A request to the page; ``shown`` is set by ``serve`` in a class of its own."""

    shown: Shown

    def do_GET(self) -> None:  # noqa: N802 - the library's name
        """Something to look at."""
        path = self.path.partition("?")[0]
        if not self._known():
            return
        route = self._ROUTES.get(path)
        if route is None and path not in FILES:
            self._say(404, "there is nothing here")
        elif path != BEFORE_LOGIN and not self.shown.access.may_look(self._headers()):
            self._login(401, "") if path == "/" else self._say(401, "this page asks for its token")
        elif route is None:
            self.answer(200, FILES[path][1], _file(FILES[path][0]))
        else:
            route(self)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def do_POST(self) -> None:  # noqa: N802 - the library's name
        """Something to change."""
        path, access, headers = self.path.partition("?")[0], self.shown.access, self._headers()
        if not self._known():
            return
        if path not in ("/thresholds", "/login"):
            self._say(404, "nothing here can be changed")
        elif path == "/thresholds" and not access.may_change(headers):
            self._say(403, "only the page itself, or who has the token, may change something")
        elif path == "/login" and not access.same_origin(headers):
            self._say(403, "log in on the page itself")
        else:
            body = self._body()
            if body is not None:
                self._thresholds(body) if path == "/thresholds" else self._logged_in(body)

    # ---- who asks

    def _headers(self) -> Mapping[str, Optional[str]]:
        """The headers that matter; None for one that is missing or came twice."""
        names = ("Host", "Origin", "Authorization", "Cookie", KEY_HEADER, "Sec-Fetch-Site")
        every = {name: self.headers.get_all(name, []) for name in names}
        return {name: held[0] if len(held) == 1 else None for name, held in every.items()}

    def _known(self) -> bool:
        """Whether the request is for this board and not another site's; else it is refused."""
        headers = self._headers()
        if not self.shown.access.known_host(headers["Host"]):
            self._say(421, "this board has no such name: use its address")
            return False
        if headers["Sec-Fetch-Site"] not in (None, "same-origin", "none") and self.path != "/":
            self._say(403, "another site may not ask for this")
            return False
        return True

    def _body(self) -> bytes | None:
        """What was posted; None where it was refused."""
        length = self.headers.get("Content-Length") or ""
        if not (length.isascii() and length.isdigit()) or self.headers.get("Transfer-Encoding"):
            self._say(411, "say how long it is")
            return None
        if len(length) > 9 or int(length) > LINE_BYTES:
            self._say(413, f"more than {LINE_BYTES:,} bytes")
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self._say(400, "it ended early")
            return None
        return body

    # ---- answers

    def _page(self) -> None:
        page = _file("page.html").replace(b"{{key}}", self.shown.access.key.encode())
        self.answer(200, HTML, page)

    def _login(self, code: int, why: str) -> None:
        self.answer(code, HTML, _file("login.html").replace(b"{{why}}", why.encode()), WWW_Authenticate="Bearer")

    def _logged_in(self, body: bytes) -> None:
        access = self.shown.access
        if access.is_token(_field(body.decode("utf-8", "replace"), "token").strip()):
            cookie = f"{access.cookie_name}={access.cookie}; HttpOnly; SameSite=Strict; Path=/"
            self.answer(303, TEXT, b"", Location="/", Set_Cookie=cookie)
        else:
            time.sleep(GUESS_S)
            self._login(403, "That is not the token.")

    def _status(self) -> None:
        self._json(200, {"answer": encode(self.shown.stats.snapshot())})

    def _live(self) -> None:
        """What the page shows: the status, the latest prediction, and samples from number ``after`` on."""
        shown, status = self.shown, self.shown.stats.snapshot()
        given = _field(self.path.partition("?")[2], "after")
        after = int(given) if given.isascii() and given.isdigit() and len(given) < 12 else 0
        count, samples = shown.watch.samples(after)
        latest = shown.watch.latest
        self._json(
            200,
            {
                "answer": encode(status),
                "unwell": shown.watch.unwell(shown.fps),
                "latest": frame_line(latest) if latest else None,
                "next": count,
                "samples": samples,
            },
        )

    def _labels(self) -> None:
        self._json(200, {"answer": list(self.shown.labels())})

    def _health(self) -> None:
        why = without_secrets(self.shown.watch.unwell(self.shown.fps))
        self._say(503 if why else 200, why or "ok")

    def _metrics(self) -> None:
        shown = self.shown
        self.answer(200, TYPE, metrics(shown.stats, not shown.watch.unwell(shown.fps)).encode())

    def _thresholds(self, body: bytes) -> None:
        try:
            tuning = decode(Tuning, json.loads(body), "thresholds")
            status = self.shown.handle(Command(WIRE_VERSION, "thresholds", tuning))
        except (ValueError, RecursionError) as error:
            refused: AgentError = BadRequest(f"not JSON: {error}", 'send an object like {"threshold": 0.5}')
        except AgentError as error:
            refused = error
        else:
            self._json(200, {"answer": encode(status)})
            return
        self._json(400, {"error": encode(ErrorAnswer(refused.code, refused.message, refused.hint))})

    def _preview(self) -> None:
        """One picture, or one after the other."""
        try:
            with self.shown.preview.watching() as newest:
                self._picture(newest) if self.path.startswith("/preview.jpg") else self._stream(newest)
        except Busy as error:
            self._say(503, f"{error.message}: {error.hint}")

    def _picture(self, newest: Callable[[float], bytes]) -> None:
        picture = newest(PICTURE_S)
        if picture:
            self.answer(200, JPEG, picture)
        else:
            self._say(503, "no frame came")

    def _stream(self, newest: Callable[[float], bytes]) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        self.begin(200, f"multipart/x-mixed-replace; boundary={BOUNDARY}", {})
        if self.command == "HEAD":
            return
        self.give(f"--{BOUNDARY}\r\n".encode())
        while not self.shown.preview.over and not self._gone():
            picture = newest(PICTURE_S)
            if picture:  # a browser shows a part when the next one begins
                head = f"Content-Type: {JPEG}\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.give(head.encode() + picture + f"\r\n--{BOUNDARY}\r\n".encode())

    def _gone(self) -> bool:
        """Whether the viewer hung up: without frames to send nothing else would tell."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def _say(self, code: int, text: str) -> None:
        self.answer(code, TEXT, f"{text}\n".encode())

    def _json(self, code: int, value: dict[str, Any]) -> None:
        held = without_secrets({"version": WIRE_VERSION, **value})
        self.answer(code, JSON, json.dumps(held, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))

    _ROUTES: ClassVar[dict[str, Callable[[Routes], None]]] = {
        "/": _page,
        "/status": _status,
        "/live": _live,
        "/labels": _labels,
        "/healthz": _health,
        "/metrics": _metrics,
        "/preview.jpg": _preview,
        "/preview.mjpeg": _preview,
    }


def _file(name: str) -> bytes:
    """One of the files beside this one, also out of the agent's zip."""
    return pkgutil.get_data(__package__ or "", name) or b""


def _field(text: str, name: str) -> str:
    """A field of a query or a form, "" where it is not there."""
    try:
        return parse_qs(text, max_num_fields=8).get(name, [""])[0]
    except ValueError:  # too many
        return ""
