"""The control socket: who may connect, one line in and one out, and whatever else is sent to it."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bramble_agent.camera import control
from bramble_agent.camera.control import LINE_BYTES, Command, answered, command, listening, read
from bramble_agent.camera.stats import Stats
from bramble_agent.codec import decode
from bramble_agent.errors import AgentError, BadRequest, Busy, CameraMissing, StorageFailed
from bramble_agent.wire import WIRE_VERSION, ErrorAnswer
from bramble_agent.wire_camera import CameraStatus, ControlAsk, SwapHow, Tuning

STATUS = Stats("camera", "abc", "given").snapshot()


class Handler:
    """Keeps the commands; refuses swaps, breaks at stop."""

    def __init__(self) -> None:
        """None yet."""
        self.commands: list[Command] = []

    def __call__(self, one: Command) -> CameraStatus:
        """Always the same status."""
        self.commands.append(one)
        if one.do == "swap":
            raise Busy("a swap is going on", "wait")
        if one.do == "stop":
            raise ZeroDivisionError("a bug")
        return STATUS


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[Handler]:
    """A handler that listens in the test's folder."""
    made = Handler()
    with listening(tmp_path, "camera", made):
        yield made


def send(root: Path, raw: bytes, end: bool = True) -> bytes:
    """What comes back for these bytes; with ``end`` nothing more is said to come."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20.0)
        client.connect(os.path.relpath(root / "camera" / "camera.sock"))
        try:
            client.sendall(raw)
            if end:
                client.shutdown(socket.SHUT_WR)
        except OSError:  # it answered and hung up before all was sent
            pass
        got = b""
        try:
            while block := client.recv(65536):
                got += block
        except ConnectionResetError:
            pass
        return got


def refusal(raw: bytes) -> ErrorAnswer:
    """The error in an answer."""
    value = json.loads(raw)
    assert list(value) == ["version", "error"]
    return decode(ErrorAnswer, value["error"])


def test_a_command_and_its_answer(handler: Handler, tmp_path: Path) -> None:
    """The command arrives as it was asked for, the status comes back."""
    ask = ControlAsk(str(tmp_path), do="thresholds", tuning=Tuning(threshold=0.25, thresholds={"cat": 0.5}))
    assert command(ask) == STATUS
    assert handler.commands == [Command(WIRE_VERSION, "thresholds", ask.tuning, SwapHow())]


def test_refusals_keep_their_code(handler: Handler, tmp_path: Path) -> None:
    """And a bug of the handler is told as a crash; the next command is answered all the same."""
    with pytest.raises(AgentError, match="a swap is going on") as caught:
        command(ControlAsk(str(tmp_path), do="swap"))
    assert (caught.value.code, caught.value.hint) == ("busy", "wait")
    with pytest.raises(AgentError, match="ZeroDivisionError: a bug") as caught:
        command(ControlAsk(str(tmp_path), do="stop"))
    assert caught.value.code == "crash"
    assert command(ControlAsk(str(tmp_path))) == STATUS


def test_only_its_user_may_connect(handler: Handler, tmp_path: Path) -> None:
    """Mode 0600; and the socket is gone with the loop."""
    assert stat.S_IMODE((tmp_path / "camera" / "camera.sock").stat().st_mode) == 0o600


def test_one_loop_of_a_name(tmp_path: Path) -> None:
    """A second one is refused, one with another name is not; after the first it may."""
    with listening(tmp_path, "camera", Handler()):
        with pytest.raises(Busy, match="'camera' runs already"), listening(tmp_path, "camera", Handler()):
            raise AssertionError("never reached")
        with listening(tmp_path, "door", Handler()):
            assert command(ControlAsk(str(tmp_path), "door")) == STATUS
        assert command(ControlAsk(str(tmp_path))) == STATUS
    assert not (tmp_path / "camera" / "camera.sock").exists()
    with listening(tmp_path, "camera", Handler()):
        assert command(ControlAsk(str(tmp_path))) == STATUS


def test_after_a_kill(tmp_path: Path) -> None:
    """The socket of a loop that was killed lies there; nobody answers, and the next loop takes its place."""
    (tmp_path / "camera").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.path.relpath(tmp_path / "camera" / "camera.sock"))
    with pytest.raises(CameraMissing, match=r"^no camera loop called 'camera' runs here$"):
        command(ControlAsk(str(tmp_path)))
    with listening(tmp_path, "camera", Handler()):
        assert command(ControlAsk(str(tmp_path))) == STATUS


def test_no_loop(tmp_path: Path) -> None:
    """Says so, whether there ever was one or not."""
    for _ in range(2):
        with pytest.raises(CameraMissing, match=r"^no camera loop called 'door' runs here$"):
            command(ControlAsk(str(tmp_path), "door"))
        (tmp_path / "camera").mkdir(exist_ok=True)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "x" * 65, ".hidden"])
def test_names_that_are_no_names(name: str, tmp_path: Path) -> None:
    """A name becomes part of a path."""
    with pytest.raises(BadRequest, match="cannot be called"):
        command(ControlAsk(str(tmp_path), name))
    with pytest.raises(BadRequest, match="cannot be called"), listening(tmp_path, name, Handler()):
        raise AssertionError("never reached")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Is the disk's fault, and said so."""
    (tmp_path / "camera").write_text("a file")
    with pytest.raises(StorageFailed), listening(tmp_path, "camera", Handler()):
        raise AssertionError("never reached")


def test_a_root_with_a_long_name(tmp_path: Path) -> None:
    """A socket's path has room for 107 bytes; a root may be longer."""
    root = tmp_path / ("long" * 50)
    with listening(root, "camera", Handler()):
        assert command(ControlAsk(str(root))) == STATUS


def line(**changes: object) -> bytes:
    """A command, changed."""
    return json.dumps({"version": WIRE_VERSION, "do": "status", **changes}).encode()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not a command"),
        (b"hello", "not a command"),
        (b"\xff\xfe\x00", "not a command"),
        (b"[" * 60_000, "not a command"),
        (b"[]", "expected an object"),
        (b"null", "expected an object"),
        (b"{}", "key 'version' is missing"),
        (line(do=None), "expected str"),
        (line(do="format the disk"), "unknown command 'format the disk'"),
        (line(do="x" * 10_000), "unknown command"),
        (line(version=1), "wire version 1"),
        (line(version=True), "expected int"),
        (line(extra=1), "unknown key 'extra'"),
        (line(tuning={"treshold": 0.5}), "unknown key 'treshold'"),
        (line(tuning={"threshold": "0.5"}), "expected float"),
        (line(tuning={"threshold": 10**400}), "a number that a float can hold"),
        (line(swap={"compare": 1.5}), "expected int"),
        (line(pad="x" * LINE_BYTES), "more than 65,536 bytes"),
    ],
)
def test_lines_that_are_no_commands(raw: bytes, said: str, handler: Handler, tmp_path: Path) -> None:
    """A clear refusal each; the handler never sees them; the loop goes on."""
    told = refusal(send(tmp_path, raw + b"\n"))
    assert (told.code, said in told.message) == ("bad-request", True), told
    assert not handler.commands
    assert command(ControlAsk(str(tmp_path))) == STATUS


def test_megabytes_without_an_end(handler: Handler, tmp_path: Path) -> None:
    """Are not read to their end."""
    send(tmp_path, b"x" * (8 << 20))
    assert command(ControlAsk(str(tmp_path))) == STATUS


def test_clients_that_say_nothing_are_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More silent clients than are served at once: the next one is served after their time."""
    monkeypatch.setattr(control, "PATIENCE_S", 0.2)
    with listening(tmp_path, "camera", Handler()), ExitStack() as stack:
        for _ in range(2 * control.AT_ONCE):
            silent = stack.enter_context(socket.socket(socket.AF_UNIX))
            silent.connect(os.path.relpath(tmp_path / "camera" / "camera.sock"))
        assert command(ControlAsk(str(tmp_path))) == STATUS


def test_a_client_that_leaves_before_its_answer(handler: Handler, tmp_path: Path) -> None:
    """Harms nobody."""
    for _ in range(10):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.path.relpath(tmp_path / "camera" / "camera.sock"))
            client.sendall(line() + b"\n")
    assert command(ControlAsk(str(tmp_path))) == STATUS


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["version", "do", "tuning", "swap", "x"])


def fuzzed(raw: bytes) -> None:
    """Whatever comes: one line of JSON, an answer or a refusal, never a crash."""
    out = answered(raw, lambda _: STATUS)
    assert out.count(b"\n") == 1
    value = json.loads(out)
    assert value["version"] == WIRE_VERSION
    if "error" in value:
        assert decode(ErrorAnswer, value["error"]).code == "bad-request"
    else:
        assert decode(CameraStatus, value["answer"]) == STATUS


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    """Random bytes."""
    fuzzed(raw)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(st.dictionaries(KEYS, JSON))
def test_any_json(value: dict[str, Any]) -> None:
    """Random JSON with the keys of a command."""
    fuzzed(json.dumps(value).encode())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4))
def test_damaged_commands(changes: list[tuple[int, int]]) -> None:
    """A good command with some bytes changed."""
    raw = bytearray(line(tuning={"threshold": 0.5, "thresholds": {"cat": 0.1}}, swap={"bundle": "b", "compare": 3}))
    for place, value in changes:
        raw[place % len(raw)] = value
    fuzzed(bytes(raw))


def test_not_a_number_reaches_no_threshold() -> None:
    """JSON of Python's has NaN; the rules refuse it later, the reading lets it through as a float."""
    found = read(b'{"version": %d, "do": "thresholds", "tuning": {"threshold": NaN}}' % WIRE_VERSION)
    assert found.tuning.threshold != found.tuning.threshold


def test_threads_do_not_pile_up(handler: Handler, tmp_path: Path) -> None:
    """After a hundred commands there are as many threads as before."""
    command(ControlAsk(str(tmp_path)))
    before = threading.active_count()
    for _ in range(100):
        command(ControlAsk(str(tmp_path)))
    assert threading.active_count() <= before + control.AT_ONCE
