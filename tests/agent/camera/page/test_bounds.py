"""What is too long, too slow, too much or no request at all."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bramble_agent.camera.page import routes, server
from looking import until
from paging import page

TOKEN = "a-token-of-the-test"  # noqa: S105


def test_bodies_are_bounded() -> None:
    """By length, which must be told."""
    with page() as one:
        headers = one.key()
        post = "POST /thresholds HTTP/1.0\r\nHost: localhost\r\nOrigin: http://localhost\r\nX-Bramble-Key: "
        post += headers["X_Bramble_Key"] + "\r\n"
        for more, status in (
            ("", b" 411 "),
            ("Content-Length: -5\r\n", b" 411 "),
            ("Content-Length: 1_0\r\n", b" 411 "),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b" 411 "),
            ("Content-Length: 65537\r\n", b" 413 "),
            (f"Content-Length: {'9' * 5000}\r\n", b" 413 "),
            ("Content-Length: 3\r\n", b" 400 "),
            ("Content-Length: 2\r\n", b" 200 "),
        ):
            assert status in one.raw(f"{post}{more}\r\n{{}}".encode()).partition(b"\r\n")[0], more


def test_slow_requests_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However a client dribbles, the whole request must come in time."""
    monkeypatch.setattr(server, "REQUEST_S", 0.3)
    with page() as one:
        assert one.raw(b"GET / HTTP/1.0\r\nHost: lo", end=False) == b""
        assert one.raw(b"", end=False) == b""
        one.predict(0)
        assert one.get("/healthz")[0] == 200


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much is told so at once; when it is over there is room again."""
    monkeypatch.setattr(server, "MOST", 3)
    with page() as one:
        one.predict(0)
        held = [socket.create_connection(("127.0.0.1", one.port), timeout=20) for _ in range(3)]
        until(lambda: b" 503 " in one.raw(b""))
        for client in held:
            client.close()
        until(lambda: b" 200 " in one.raw(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"))


def test_old_and_odd_requests() -> None:
    """HTTP/0.9, no words, absurd lines and too many headers are answered or hung up on; the next one is served."""
    with page() as one:
        one.predict(0)
        for data in (
            b"GET /\r\n\r\n",
            b"\r\n\r\n",
            b"\x00" * 1000,
            b"GET " + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.0\r\n" + b"A: b\r\n" * 200 + b"\r\n",
            b"GET / HTTP/1.0\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
            b"GET http://evil.example/ HTTP/1.0\r\nHost: localhost\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ):
            assert b" 200 " not in one.raw(data).partition(b"\r\n")[0]
        assert one.get("/healthz")[0] == 200


PATHS = ("/", "/status", "/live", "/labels", "/healthz", "/metrics", "/preview.jpg", "/thresholds", "/login", "/x")
HEADERS = ("Host", "Origin", "Cookie", "Authorization", "Content-Length", "Sec-Fetch-Site", "X-Bramble-Key", "Expect")
VALUES = ("localhost", "127.0.0.1:1", "http://localhost", "Bearer x", "0", "9", "-1", "same-origin", "100-continue")


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests that are nearly right, and bytes that are none."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=300))
    method = draw(st.sampled_from(("GET", "POST", "HEAD", "PUT", "OPTIONS", "get", "")))
    path = draw(st.sampled_from(PATHS)) + draw(st.sampled_from(("", "?after=1", "?", "?a&b=%zz", "/..", "%2e", "#x")))
    lines = [f"{method} {path} HTTP/{draw(st.sampled_from(('1.0', '1.1', '2', '0.9', '-1.0')))}".encode()]
    for name in draw(st.lists(st.sampled_from(HEADERS), max_size=6)):
        value = draw(st.one_of(st.sampled_from(VALUES).map(str.encode), st.binary(max_size=30)))
        lines.append(name.encode() + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n" + draw(st.binary(max_size=40))


def test_whatever_is_sent(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """300 requests of all kinds: none changes anything, none is a crash, and the page goes on."""
    monkeypatch.setattr(routes, "PICTURE_S", 0.01)
    monkeypatch.setattr(routes, "GUESS_S", 0.0)
    with page() as one:
        one.predict(0)
        before = one.decider.how

        @settings(max_examples=300, deadline=None, database=None)
        @given(requests())
        def send(data: bytes) -> None:
            first = one.raw(data).partition(b"\r\n")[0]
            assert not first.startswith(b"HTTP/1.0 5") or first.split()[1] in (b"501", b"503", b"505")

        send()
        assert (one.commands, one.decider.how) == ([], before)
        assert one.get("/healthz")[0] == 200
    assert capfd.readouterr() == ("", "")
