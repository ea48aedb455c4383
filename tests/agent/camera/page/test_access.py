"""Who may look and who may change something: other sites, other names, tokens."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from bramble_agent.camera.page import routes
from bramble_agent.errors import BadRequest
from paging import page

TOKEN = "a-token-of-the-test"  # noqa: S105


@pytest.mark.parametrize(
    "change",
    [
        {"X_Bramble_Key": ""},
        {"X_Bramble_Key": "wrong"},
        {"X_Bramble_Key": "é" * 24},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_sites_change_nothing(change: dict[str, str]) -> None:
    """A POST needs the page's own origin and the key that only the page holds."""
    with page() as one:
        headers = {**one.key(), **change}
        assert one.get("/thresholds", "POST", {"threshold": 0.1}, **headers)[0] == 403
        assert not one.commands


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "a b", "[::1", "127.0.0.1:x", "10.0.0.7"]
)
def test_names_that_are_not_this_boards(host: str) -> None:
    """A foreign name that leads to loopback is DNS rebinding; a request must have one Host."""
    with page() as one:
        for path in ("/", "/status", "/preview.jpg"):
            assert one.get(path, Host=host)[0] == 421
        assert one.get("/thresholds", "POST", {"threshold": 0.1}, **{**one.key(), "Host": host})[0] == 421
        assert not one.commands
        assert b" 421 " in one.raw(b"GET /status HTTP/1.0\r\n\r\n")
        assert b" 421 " in one.raw(b"GET /status HTTP/1.0\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:9999", "LOCALHOST", "[::1]:80", "127.8.8.8"])
def test_names_of_loopback(host: str) -> None:
    """With any port: a tunnel has another."""
    with page() as one:
        assert one.get("/status", Host=host)[0] == 200


def test_other_sites_may_not_even_ask() -> None:
    """A picture in another site's page would keep the board busy; a link to the page may be followed."""
    with page() as one:
        assert one.get("/preview.jpg", Sec_Fetch_Site="cross-site")[0] == 403
        assert one.get("/", Sec_Fetch_Site="cross-site")[0] == 200
        assert one.get("/status", Sec_Fetch_Site="same-origin")[0] == 200


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A token that only its user may read."""
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


def test_a_token_is_asked_for(token_file: Path) -> None:
    """Nothing but the form and its style without it; with it as Bearer, or as the form's cookie, everything."""
    with page(page_token=str(token_file)) as one:
        one.predict(0)
        for path in (
            "/status",
            "/live",
            "/labels",
            "/healthz",
            "/metrics",
            "/preview.jpg",
            "/preview.mjpeg",
            "/page.js",
        ):
            assert one.get(path)[0] == 401, path
        status, body, _ = one.get("/")
        assert (status, b'action="/login"' in body, b'name="key"' in body) == (401, True, False)
        assert one.get("/page.css")[0] == 200
        assert one.get("/status", Authorization=f"Bearer {TOKEN}")[0] == 200
        for wrong in ("Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN):
            assert one.get("/status", Authorization=wrong)[0] == 401
        assert one.get("/thresholds", "POST", {"threshold": 0.1})[0] == 403
        assert one.get("/thresholds", "POST", {"threshold": 0.1}, Authorization=f"Bearer {TOKEN}")[0] == 200
        stranger = {"Authorization": f"Bearer {TOKEN}", "Origin": "http://evil.example"}
        assert one.get("/thresholds", "POST", {"threshold": 0.2}, **stranger)[0] == 403


def test_login(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form gives a cookie that is not the token, and that scripts and other sites never see."""
    monkeypatch.setattr(routes, "GUESS_S", 0.0)
    with page(page_token=str(token_file)) as one:
        origin = {"Origin": f"http://127.0.0.1:{one.port}"}
        assert one.get("/login", "POST", f"token={TOKEN}".encode())[0] == 403
        status, body, headers = one.get("/login", "POST", b"token=wrong", **origin)
        assert (status, headers["Set-Cookie"], b"That is not the token." in body) == (403, None, True)
        status, _, headers = one.get("/login", "POST", f"token={TOKEN}".encode(), **origin)
        assert (status, headers["Location"]) == (303, "/")
        cookie, *how = headers["Set-Cookie"].split("; ")
        assert how == ["HttpOnly", "SameSite=Strict", "Path=/"]
        assert TOKEN not in cookie
        cookies = {"Cookie": f'other={{"a":"b"}}; {cookie}'}
        assert one.get("/status", **cookies)[0] == 200
        assert one.get("/status", Cookie=cookie + "0")[0] == 401
        assert one.get("/thresholds", "POST", {"threshold": 0.3}, **one.key(**cookies))[0] == 200
        assert one.decider.how.threshold == 0.3


def test_no_token_is_ever_printed(token_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever is asked, stdout and stderr stay empty."""
    with page(page_token=str(token_file)) as one:
        one.get("/status", Authorization=f"Bearer {TOKEN}")
        one.get(f"/status?token={TOKEN}")
        one.raw(f"{TOKEN}\r\n\r\n".encode())
    assert capfd.readouterr() == ("", "")


def test_other_addresses_need_a_token(tmp_path: Path) -> None:
    """It is made in the board's folder, mode 0600, and stays the same; without a folder there is no page."""
    with pytest.raises(BadRequest, match=r"a page on 0\.0\.0\.0 needs a token"), page(page="0.0.0.0:0"):
        pass
    tokens = []
    for _ in range(2):
        with page(page="0.0.0.0:0", root=str(tmp_path), name="door") as one:
            path = tmp_path / "camera" / "door.token"
            assert path.stat().st_mode & 0o777 == 0o600
            tokens.append(path.read_text().strip())
            assert one.get("/status")[0] == 401
            assert one.get("/status", Authorization=f"Bearer {tokens[0]}")[0] == 200
            assert one.get("/status", Authorization=f"Bearer {tokens[0]}", Host="10.0.0.7:80")[0] == 200
            own = socket.gethostname()
            assert one.get("/status", Authorization=f"Bearer {tokens[0]}", Host=f"{own}:80")[0] == 200
            assert one.get("/status", Authorization=f"Bearer {tokens[0]}", Host="evil.example")[0] == 421
    assert tokens[0] == tokens[1]
    assert len(tokens[0]) >= 32


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (TOKEN, 0o644, "others can read"),
        (TOKEN, 0o620, "others can read"),
        ("short", 0o600, "holds no token"),
        ("", 0o600, "holds no token"),
        ("a token with spaces", 0o600, "holds no token"),
        ("é" * 30, 0o600, "holds no token"),
        ("x" * 1000, 0o600, "holds no token"),
    ],
)
def test_token_files_that_are_refused(text: str, mode: int, said: str, tmp_path: Path) -> None:
    """With what to do; the token is not in the words."""
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(BadRequest, match=said) as caught, page(page_token=str(path)):
        pass
    assert TOKEN not in caught.value.message + caught.value.hint


def test_token_files_that_are_none(tmp_path: Path) -> None:
    """Missing, a folder, or bytes that are no text."""
    (tmp_path / "bytes").write_bytes(os.urandom(64) + b"\xff")
    (tmp_path / "bytes").chmod(0o600)
    for path in (tmp_path / "missing", tmp_path, tmp_path / "bytes"):
        with pytest.raises(BadRequest), page(page_token=str(path)):
            pass
