"""The verbs "camera" and "control" as a host and a service unit meet them: processes, lines of JSON, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bramble.fleet.agent_zip import agent_zip
from bramble_agent.codec import decode
from bramble_agent.wire import WIRE_VERSION, ErrorAnswer
from bramble_agent.wire_camera import CameraAnswer, ControlAnswer
from looking import until
from making import LABELS, make_bundle

DEVICE = Path(__file__).parents[3] / "device"


def request(verb: str, **body: object) -> bytes:
    """A request as it comes on stdin."""
    return json.dumps({"version": WIRE_VERSION, "ask": verb, "body": body}).encode() + b"\n"


def environment() -> dict[str, str]:
    """The agent of this tree, and nothing that steers Python."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**clean, "PYTHONPATH": str(DEVICE)}


def agent(raw: bytes, *arguments: str) -> tuple[int, list[Any]]:
    """The exit status and the lines of an agent that was asked this."""
    run = [sys.executable, "-m", "bramble_agent", *arguments]
    done = subprocess.run(run, input=raw, env=environment(), capture_output=True, check=False, timeout=120)
    values = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert all(value["version"] == WIRE_VERSION for value in values), done.stderr
    return done.returncode, values


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """The tests' int8 model."""
    return str(make_bundle(tmp_path / "bundle"))


def test_a_line_a_frame_and_the_answer(bundle: str) -> None:
    """Five computed frames: five lines, then what it all was."""
    status, values = agent(request("camera", bundle=bundle, source="synthetic:?frames=5"))
    assert status == 0, values
    assert [list(value) for value in values] == [["version", "line"]] * 5 + [["version", "answer"]]
    assert [value["line"]["frame"] for value in values[:-1]] == [0, 1, 2, 3, 4]
    assert {value["line"]["label"] for value in values[:-1]} <= set(LABELS)
    answer = decode(CameraAnswer, values[-1]["answer"])
    assert (answer.ended, answer.status.frames, answer.status.captured["frames"]) == ("end", 5, 5)


def test_out_of_a_file(bundle: str, tmp_path: Path) -> None:
    """For a service: the same request in a file, stdin is not read; and out of the zip that travels to boards."""
    path = tmp_path / "camera.json"
    path.write_bytes(request("camera", bundle=bundle, source="synthetic:?fps=200", frames=3))
    status, values = agent(b"", "--camera", str(path))
    assert (status, len(values)) == (0, 4)
    assert decode(CameraAnswer, values[-1]["answer"]).ended == "frames"
    (tmp_path / "agent.zip").write_bytes(agent_zip(camera=True).data)
    run = [sys.executable, str(tmp_path / "agent.zip"), "--camera", str(path)]
    done = subprocess.run(run, capture_output=True, check=True, stdin=subprocess.DEVNULL, timeout=120)
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--camera",), "--camera takes one file"), (("--camera", "/nowhere.json"), "/nowhere.json: No such file")],
)
def test_no_such_file(arguments: tuple[str, ...], said: str) -> None:
    """A refusal like any other."""
    status, values = agent(b"", *arguments)
    told = decode(ErrorAnswer, values[-1]["error"])
    assert (status, told.code, said in told.message) == (1, "bad-request", True)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"source": "nosuch:1"}, "bad-request", "'nosuch'"),
        ({"source": "folder:/nowhere"}, "camera-missing", "/nowhere"),
        ({"bundle": "/nowhere"}, "bundle-damaged", "no bundle at /nowhere"),
        ({"decide": {"thresholds": {"lion": 0.5}}}, "bad-request", "'lion', which is no label"),
        ({"tell": "everything"}, "bad-request", "tell 'everything'"),
        ({"fps": "fast"}, "bad-request", "expected float"),
        ({"actions": ["nosuch:1"]}, "bad-request", "nosuch"),
    ],
)
def test_refusals(change: dict[str, Any], code: str, said: str, bundle: str) -> None:
    """One error answer, no lines."""
    body = {"bundle": bundle, "source": "synthetic:?frames=3", **change}
    status, values = agent(request("camera", **body))
    told = decode(ErrorAnswer, values[-1]["error"])
    assert (status, told.code, len(values)) == (1, code, 1), told
    assert said in told.message


@pytest.fixture
def service(bundle: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A loop that does not end by itself, its request in a file."""
    path = tmp_path / "camera.json"
    path.write_bytes(request("camera", bundle=bundle, source="synthetic:?fps=100", root=str(tmp_path), tell="nothing"))
    run = [sys.executable, "-m", "bramble_agent", "--camera", str(path)]
    with subprocess.Popen(run, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        until((tmp_path / "camera" / "camera.sock").exists, 60.0)
        yield started
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it(number: signal.Signals, service: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Promptly, with its answer and status 0, and nothing is left lying about."""
    service.send_signal(number)
    said, _ = service.communicate(timeout=30)
    assert service.returncode == 0
    assert decode(CameraAnswer, json.loads(said.splitlines()[-1])["answer"]).ended == "stop"
    assert not (tmp_path / "camera" / "camera.sock").exists()


def test_control(service: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Another agent asks the loop for its status, and ends it."""
    status, (value,) = agent(request("control", root=str(tmp_path)))
    assert status == 0, value
    assert decode(ControlAnswer, value["answer"]).status.source == "synthetic:?fps=100"
    status, (value,) = agent(request("control", root=str(tmp_path), do="swap", swap={"bundle": "/nowhere"}))
    assert decode(ControlAnswer, value["answer"]).status.swap.state in ("loading", "refused")
    assert agent(request("control", root=str(tmp_path), do="stop"))[0] == 0
    service.communicate(timeout=30)
    assert service.returncode == 0
    status, (value,) = agent(request("control", root=str(tmp_path)))
    assert (status, decode(ErrorAnswer, value["error"]).code) == (1, "camera-missing")


def test_two_loops_of_a_name(service: subprocess.Popen[bytes], bundle: str, tmp_path: Path) -> None:
    """The second is refused at its start."""
    status, values = agent(request("camera", bundle=bundle, source="synthetic:", root=str(tmp_path)))
    assert (status, decode(ErrorAnswer, values[-1]["error"]).code) == (1, "busy")


def test_ends_with_whoever_asked(bundle: str, tmp_path: Path) -> None:
    """Over a link that goes down: the loop that was asked for on stdin lets go of its camera and ends."""
    body = request("camera", bundle=bundle, source="synthetic:?fps=100", root=str(tmp_path), tell="nothing")
    (tmp_path / "ask.json").write_bytes(body)
    shell = f"{sys.executable} -m bramble_agent < {tmp_path}/ask.json > {tmp_path}/said & echo $!; read forever"
    with subprocess.Popen(
        ["sh", "-c", shell], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        until((tmp_path / "camera" / "camera.sock").exists, 60.0)
        parent.kill()
    until(lambda: not (tmp_path / "camera" / "camera.sock").exists())
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())
    assert json.loads((tmp_path / "said").read_text())["answer"]["ended"] == "stop"
