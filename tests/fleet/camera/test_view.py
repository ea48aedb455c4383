"""The live page of a board through SSH: a loop that runs "there", a real OpenSSH server, a browser's requests here."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bramble.errors import BrambleError, CameraError, UsageError
from bramble.fleet.camera.view import View, viewing
from bramble.fleet.types import Board
from bramble.places import local_board_dir
from bramble_agent.camera.control import command
from bramble_agent.camera.loop import run
from bramble_agent.errors import AgentError
from bramble_agent.wire_camera import CameraAsk, ControlAsk
from looking import Feed, frame, openers, until
from making import make_bundle
from running import environment
from serving import board_of, serving


def endless() -> Iterator[Any]:
    """Frames 5 ms apart."""
    number = 0
    while True:
        time.sleep(0.005)
        yield frame(number)
        number += 1


@contextmanager
def loop(root: Path, bundle: str, page: str) -> Iterator[None]:
    """Within, a camera loop runs with its page."""
    stop = threading.Event()
    ask = CameraAsk(bundle, "given", root=str(root), page=page, tell="nothing")
    feed = openers(Feed(endless()), live=True)
    thread = threading.Thread(target=lambda: run(ask, lambda _: None, stop, feed), daemon=True)
    thread.start()

    def answers() -> bool:
        try:
            return command(ControlAsk(str(root))).frames > 0
        except AgentError:
            return False

    until(answers)
    yield
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def fetched(url: str, path: str) -> tuple[int, bytes]:
    """Status and body as a browser on this machine gets them."""
    client = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=20)
    client.request("GET", path)
    answer = client.getresponse()
    got = answer.read()
    client.close()
    return answer.status, got


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """The tests' int8 model."""
    return str(make_bundle(tmp_path / "bundle"))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A board behind SSH."""
    with serving(tmp_path_factory.mktemp("sshd")) as server:
        yield board_of(server, server.home / "bramble")


@pytest.mark.parametrize("page", ["127.0.0.1:0", "[::1]:0"])
def test_through_ssh(board: Board, bundle: str, page: str) -> None:
    """Health, the page and a picture come through the tunnel; its name here is one that the page knows."""
    if "::1" in page and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with loop(Path(board.root), bundle, page), viewing(board, "camera") as seen:
        assert seen.url.startswith("http://127.0.0.1:")
        assert fetched(seen.url, "/healthz") == (200, b"ok\n")
        assert b"<title>Bramble camera</title>" in fetched(seen.url, "/")[1]
        assert fetched(seen.url, "/preview.jpg")[1].startswith(b"\xff\xd8")
        seen.wait(0.01)


def test_on_this_machine(tmp_path: Path, bundle: str) -> None:
    """The address itself; a page for the whole network is looked at on loopback."""
    here = Board("local", python=sys.executable, root=str(tmp_path / "root"))
    with loop(Path(here.root), bundle, "0.0.0.0:0"), viewing(here, "camera") as seen:
        port = command(ControlAsk(here.root)).page.rpartition(":")[2]
        assert seen.url == f"http://127.0.0.1:{port}/"
        assert fetched(seen.url, "/healthz")[0] == 401


def test_no_loop_and_no_page(board: Board, bundle: str) -> None:
    """Each says what to do."""
    with pytest.raises(BrambleError, match="no camera loop called 'camera'"), viewing(board, "camera"):
        pass
    with (
        loop(Path(board.root), bundle, ""),
        pytest.raises(UsageError, match="shows no page") as caught,
        viewing(board, "camera"),
    ):
        pass
    assert "--page" in caught.value.hint


def look_on(seen: View) -> None:
    """As the verb does."""
    while True:
        seen.wait(0.05)


def test_the_loop_ends_while_somebody_looks(tmp_path: Path, bundle: str) -> None:
    """Said, once it is sure that it does not come back at once."""
    here = Board("local", python=sys.executable, root=str(tmp_path / "root"))
    with loop(Path(here.root), bundle, "127.0.0.1:0"), viewing(here, "camera") as seen:
        seen.wait(0.0)
        command(ControlAsk(here.root, do="stop"))
        with pytest.raises(CameraError, match="the live page is gone"):
            look_on(seen)


def test_a_port_that_is_taken(board: Board, bundle: str) -> None:
    """Says to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as taken, loop(Path(board.root), bundle, "127.0.0.1:0"):
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"port {port} of this machine cannot be used"),
            viewing(board, "camera", port),
        ):
            pass


def test_the_verb_prints_the_address_and_ends_with_ctrl_c(tmp_path: Path, bundle: str) -> None:
    """The address is the one line on stdout; Ctrl-C is the usual end, not a failure."""
    words = [sys.executable, "-m", "bramble", "camera", "view", "local", "--no-open"]
    with loop(local_board_dir(), bundle, "127.0.0.1:0"):
        pipe = subprocess.PIPE
        verb = subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=environment(), cwd=tmp_path)
        assert verb.stdout is not None
        url = verb.stdout.readline().strip()
        assert fetched(url, "/healthz") == (200, b"ok\n")
        os.kill(verb.pid, signal.SIGINT)
        out, err = verb.communicate(timeout=20)
    assert (verb.returncode, out, err.strip()) == (0, "", "")
