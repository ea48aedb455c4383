"""The agent as the host meets it: a process with a request on stdin, one JSON answer on stdout, and an exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bramble_agent.codec import decode, encode
from bramble_agent.wire import WIRE_VERSION, ErrorAnswer, ProbeAnswer, VerifyAnswer
from bramble_agent.wire_release import ReleaseAnswer, RollbackAnswer, TakeAnswer
from bringing import held, raw_piece, sha256
from making import bundle_digest, make_bundle, make_zip

DEVICE = Path(__file__).parents[2] / "device"


@dataclass(frozen=True)
class Reply:
    """What came back of a process."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def answer(self) -> Any:
        """The answer; stdout must be exactly one JSON object of this wire version, and nothing else."""
        value = json.loads(self.stdout)
        assert list(value) == ["version", "answer"]
        assert value["version"] == WIRE_VERSION
        return value["answer"]

    @property
    def error(self) -> ErrorAnswer:
        """The refusal, likewise."""
        value = json.loads(self.stdout)
        assert list(value) == ["version", "error"]
        assert value["version"] == WIRE_VERSION
        return decode(ErrorAnswer, value["error"])


def agent(raw: bytes, *first: Path) -> Reply:
    """Run the agent in a process of its own; the folders ``first`` come before all others in its path."""
    path = os.pathsep.join(str(folder) for folder in (*first, DEVICE))
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}  # such as PYTHONUNBUFFERED
    env["PYTHONPATH"] = path
    done = subprocess.run([sys.executable, "-m", "bramble_agent"], input=raw, env=env, capture_output=True, check=False)
    return Reply(done.returncode, done.stdout, done.stderr)


def ask(verb: object, *first: Path, version: object = WIRE_VERSION, **body: object) -> Reply:
    """Send one request."""
    return agent(json.dumps({"version": version, "ask": verb, "body": body}).encode(), *first)


def test_probe() -> None:
    """A probe is answered with facts and a snapshot, status 0, and silence on stderr."""
    reply = ask("probe")
    assert (reply.status, reply.stderr) == (0, b"")
    got = decode(ProbeAnswer, reply.answer)
    assert got.facts.python == ".".join(str(part) for part in sys.version_info[:3])
    assert got.facts.hostname == os.uname().nodename


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_verify(packed: bool, tmp_path: Path) -> None:
    """A bundle, folder or zip, is verified by the real runtime in the fresh process."""
    folder = make_bundle(tmp_path / "b")
    reply = ask("verify", bundle=str(make_zip(folder, tmp_path / "b.zip") if packed else folder))
    assert reply.status == 0, reply.stderr
    got = decode(VerifyAnswer, reply.answer)
    assert (got.ok, got.checked, got.max_lsb) == (True, 4, 0)


@pytest.mark.slow
def test_release(tmp_path: Path) -> None:
    """Two releases and a rollback through the process, files on its stdin, its root given with ~ for home."""
    (tmp_path / "sitecustomize.py").write_text(f"import os; os.environ['HOME'] = {str(tmp_path)!r}\n")
    digests = []
    for name, labels in (("a", b"one\ntwo\nthree\n"), ("b", b"1\n2\n3\n")):
        folder = make_bundle(tmp_path / name, name=name, labels=labels)
        files = held(folder)
        digests.append(bundle_digest(folder))
        release: dict[str, Any] = {
            "root": "~/root",
            "digest": digests[-1],
            "manifest": (folder / "manifest.json").read_text(),
        }
        absent = decode(ReleaseAnswer, ask("release", tmp_path, **release).answer)
        assert (absent.state, len(absent.missing)) == ("missing", 3 if name == "a" else 1)
        body = {"root": "~/root", "wanted": {}, "pieces": [encode(raw_piece(files[sha])) for sha in absent.missing]}
        head = json.dumps({"version": WIRE_VERSION, "ask": "take", "body": body}).encode() + b"\n"
        sent = agent(head + b"".join(files[sha] for sha in absent.missing), tmp_path)
        assert decode(TakeAnswer, sent.answer) == TakeAnswer((), {})
        made = decode(ReleaseAnswer, ask("release", tmp_path, **release).answer)
        assert (made.state, made.path) == ("current", str(tmp_path / "root/releases" / digests[-1]))
    back = decode(RollbackAnswer, ask("rollback", tmp_path, root="~/root").answer)
    assert [back.current, back.previous] == digests


def test_files_that_break_off(tmp_path: Path) -> None:
    """Files that end too early, or never come, are a refusal that says how much is missing; what came is kept."""
    data = bytes(range(256)) * 300
    body = {"root": str(tmp_path / "root"), "wanted": {}, "pieces": [encode(raw_piece(data))]}
    head = json.dumps({"version": WIRE_VERSION, "ask": "take", "body": body}).encode()
    for raw, left in ((head, 76_800), (head + b"\n", 76_800), (head + b"\n" + data[:70_000], 6_800)):
        reply = agent(raw)
        assert (reply.status, reply.error.code) == (1, "cut-short")
        assert f": {left:,} bytes of 76,800 did not come" in reply.error.message
    assert (tmp_path / "root/incoming" / f"{sha256(data)}.part").read_bytes() == data[:70_000]


def test_agent_in_a_zip(tmp_path: Path) -> None:
    """The package serves out of a zip file, as it travels to a board."""
    with zipfile.ZipFile(tmp_path / "agent.zip", "w") as archive:
        for path in (DEVICE / "bramble_agent").rglob("*.py"):
            archive.write(path, path.relative_to(DEVICE))
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "agent.zip")}
    request = json.dumps(
        {"version": WIRE_VERSION, "ask": "verify", "body": {"bundle": str(make_bundle(tmp_path / "b"))}}
    )
    run = [sys.executable, "-m", "bramble_agent"]
    done = subprocess.run(run, input=request.encode(), env=env, cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout)["answer"]["ok"] is True


NOISE = """
import atexit, ctypes, os
print("noise of Python, still in its buffer")
ctypes.CDLL(None).printf(b"noise of C, still in its buffer\\n")
atexit.register(os.write, 1, b"noise at the very end\\n")
"""


def test_noise_at_both_ends(tmp_path: Path) -> None:
    """What Python and C have in their buffers before, and write to fd 1 after, lands on stderr, not in the answer."""
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    reply = ask("probe", tmp_path)
    assert decode(ProbeAnswer, reply.answer).facts.cores >= 1
    for noise in (b"noise of Python", b"noise of C", b"noise at the very end"):
        assert noise in reply.stderr


def test_noise_of_a_runtime(tmp_path: Path) -> None:
    """A runtime that prints while it loads does not get into the refusal that follows."""
    for module in ("ai_edge_litert", "tflite_runtime"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").touch()
        code = (
            "import os, sys\nos.write(1, b'INFO: here I am')\nprint('and here', flush=True)\nraise ImportError('GLIBC')"
        )
        (tmp_path / module / "interpreter.py").write_text(code)
    reply = ask("verify", tmp_path, bundle=str(make_bundle(tmp_path / "b")))
    assert (reply.status, reply.error.code) == (1, "runtime-missing")
    assert "GLIBC" in reply.error.message
    assert reply.stderr.count(b"INFO: here I amand here\n") == 2


def test_real_runtimes_log_goes_to_stderr(tmp_path: Path) -> None:
    """The real runtime's own log line (its delegate's name) is on stderr, and the answer is clean."""
    reply = ask("verify", bundle=str(make_bundle(tmp_path / "b")))
    assert reply.answer["ok"]
    assert not reply.answer["kernels"].startswith("xnnpack/") or b"XNNPACK" in reply.stderr


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"\xff", b"no JSON", b"7", b"[]", b"null", b"{}", b'{"version": 2}', b'{"version": 2, "ask": "probe"}'),
        *(b'{"version": 2, "ask": "probe", "body": {}} trailing', b"[" * 100_000),
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_not_a_request(raw: bytes) -> None:
    """What is no request is refused as such, with status 1."""
    reply = agent(raw)
    assert (reply.status, reply.error.code) == (1, "bad-request")
    assert reply.error.message.startswith("not a request: ")


@pytest.mark.parametrize("version", [0, 1, 3, "2", None])
def test_other_wire_version(version: object) -> None:
    """A request of another wire version is refused with both versions named."""
    reply = ask("probe", version=version)
    assert (reply.status, reply.error.code) == (1, "bad-request")
    assert reply.error.message == f"wire version {version}, this agent speaks 2"


@pytest.mark.parametrize("verb", ["fly", "", "__class__", None, 7, ["probe"], {"probe": 1}])
def test_unknown_verb(verb: object) -> None:
    """An unknown verb is refused with the known ones listed, whatever its type."""
    reply = ask(verb)
    assert (reply.status, reply.error.code) == (1, "bad-request")
    assert reply.error.hint == "one of probe, verify, bench, take, release, rollback, install, camera, control"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "verify: key 'bundle' is missing"),
        ({"bundle": "b", "colour": 1}, "verify: unknown key 'colour'"),
        ({"bundle": 7}, "verify.bundle: expected str, got int"),
        ({"bundle": "b", "threads": 1.5}, "verify.threads: expected int, got float"),
    ],
)
def test_wrong_body(body: dict[str, object], message: str) -> None:
    """A body with a missing, unknown or mistyped field is refused by its name."""
    reply = ask("verify", **body)
    assert (reply.status, reply.error.code, reply.error.message) == (1, "bad-request", message)


def test_refusal_of_a_bundle(tmp_path: Path) -> None:
    """A refusal from deep inside carries its code, what happened and what to do, in any script."""
    reply = ask("verify", bundle=str(tmp_path / "nirgendwo-größer-木莓"))
    assert (reply.status, reply.error.code) == (1, "bundle-damaged")
    assert reply.error.message == f"no bundle at {tmp_path}/nirgendwo-größer-木莓"
    assert "bramble build" in reply.error.hint


def test_crash_is_an_answer_too(tmp_path: Path) -> None:
    """An error nobody foresaw gives status 2 and an answer that carries the traceback."""
    code = "import bramble_agent.board as b\ndef facts(*_):\n    return 1 / 0\nb.facts = facts\n"
    (tmp_path / "sitecustomize.py").write_text(code)
    reply = ask("probe", tmp_path)
    assert (reply.status, reply.error.code) == (2, "crash")
    assert reply.error.message == "ZeroDivisionError: division by zero"
    assert reply.error.hint.startswith("Traceback (most recent call last)")
    assert "in facts" in reply.error.hint
