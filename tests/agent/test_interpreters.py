"""The agent under every CPython from 3.9 to 3.13 that is on this machine, bare and with each TFLite runtime."""

from __future__ import annotations

import bz2
import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bramble.fleet.release.coding import difference
from bramble.packing.pack import pack
from bramble_agent.codec import decode, encode
from bramble_agent.wire import WIRE_VERSION, BenchAnswer, ErrorAnswer, ProbeAnswer, VerifyAnswer
from bramble_agent.wire_camera import CameraAnswer
from bramble_agent.wire_release import Piece, ReleaseAnswer
from bringing import held, raw_piece, request, sha256
from making import bundle_digest, make_bundle, make_model

DEVICE = Path(__file__).parents[2] / "device"
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
NEEDS = {
    "ai-edge-litert": ("ai-edge-litert", "numpy"),
    "tflite-runtime": ("tflite-runtime", "numpy<2"),
    "mismatched": ("tflite-runtime", "numpy>=2"),
}
# tflite-runtime's last wheels are for Python 3.11
PAIRS = [(v, "ai-edge-litert") for v in VERSIONS] + [(v, "tflite-runtime") for v in VERSIONS[:3]]
SAY = "import platform, sys; print(platform.python_implementation(), '%d.%d' % sys.version_info[:2])"


def clean(**more: str) -> dict[str, str]:
    """The environment without anything that steers Python."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))} | more


def works(candidate: Path, version: str) -> bool:
    """Whether it really is that CPython: a version manager's shims may be there and refuse to run."""
    try:
        said = subprocess.run([candidate, "-S", "-c", SAY], env=clean(), capture_output=True, text=True, check=False)
    except OSError:
        return False
    return said.returncode == 0 and said.stdout.split() == ["CPython", version]


@functools.cache
def interpreters() -> dict[str, Path]:
    """The first working CPython of each version: on the PATH, or among those that pyenv built."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    pyenvs = [Path.home() / ".pyenv", *(folder.parent for folder in folders if folder.name == "shims")]
    folders += sorted(path for pyenv in pyenvs for path in pyenv.glob("versions/*/bin"))
    found: dict[str, Path] = {}
    for version in VERSIONS:
        for folder in folders:
            if version not in found and works(folder / f"python{version}", version):
                found[version] = folder / f"python{version}"
    return found


@pytest.fixture
def python(version: str) -> Path:
    """That CPython; skips where it is not there, or is the only one."""
    if len(interpreters()) < 2:
        pytest.skip("fewer than two CPythons from 3.9 to 3.13 on this machine")
    if version not in interpreters():
        pytest.skip(f"no working CPython {version} on this machine")
    return interpreters()[version]


def agent(python: Path, verb: str, options: tuple[str, ...] = (), **body: object) -> tuple[int, dict[str, Any]]:
    """Ask the agent under this Python: its exit status, and the whole JSON object it answered."""
    request = json.dumps({"version": WIRE_VERSION, "ask": verb, "body": body}).encode()
    run = [str(python), *options, "-m", "bramble_agent"]
    env = clean(PYTHONPATH=str(DEVICE), PYTHONWARNINGS="error", PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(run, input=request, env=env, capture_output=True, check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("version", VERSIONS)
def test_probe_without_any_package(version: str, python: Path, tmp_path: Path) -> None:
    """A bare interpreter, its site-packages hidden, can say what the board is and that nothing is installed."""
    status, reply = agent(python, "probe", ("-S",), root=str(tmp_path))
    assert status == 0, reply
    got = decode(ProbeAnswer, reply["answer"])
    assert got.facts.python.startswith(version + ".")
    assert (got.facts.runtimes, got.facts.numpy, got.facts.pillow) == ((), None, None)


@pytest.mark.parametrize("version", VERSIONS)
def test_whole_package_compiles(version: str, python: Path) -> None:
    """Every file of the agent is valid syntax there, those included that a bare interpreter cannot import."""
    code = "import pathlib, sys\nfor p in sys.argv[1:]: compile(pathlib.Path(p).read_text('utf-8'), p, 'exec')"
    files = sorted((DEVICE / "bramble_agent").rglob("*.py"))
    assert len(files) >= 48
    subprocess.run([python, "-S", "-W", "error", "-c", code, *files], env=clean(), check=True)


def take(python: Path, root: Path, piece: Piece, stream: bytes, options: tuple[str, ...] = ()) -> dict[str, Any]:
    """Send one stream to the agent under this Python."""
    body = {"root": str(root), "wanted": {piece.blob: piece.size_bytes}, "pieces": [encode(piece)]}
    head = json.dumps({"version": WIRE_VERSION, "ask": "take", "body": body}).encode() + b"\n"
    run = [str(python), *options, "-m", "bramble_agent"]
    env = clean(PYTHONPATH=str(DEVICE), PYTHONWARNINGS="error", PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(run, input=head + stream, env=env, capture_output=True, check=False)
    reply: dict[str, Any] = json.loads(done.stdout)
    return reply


def packed_piece(data: bytes, stream: bytes, coding: str, base: str = "") -> Piece:
    """A file that travels packed."""
    return Piece(sha256(data), len(data), sha256(stream), len(stream), 0, len(stream), coding, base)


@pytest.mark.parametrize("version", VERSIONS)
def test_files_without_any_package(version: str, python: Path, tmp_path: Path) -> None:
    """A bare interpreter takes files, packed ones too, and says what a release lacks."""
    text = b"bramble\n" * 1000
    for piece, stream in (
        (raw_piece(text), text),
        (packed_piece(text * 2, bz2.compress(text * 2), "bz2"), bz2.compress(text * 2)),
    ):
        assert take(python, tmp_path, piece, stream, ("-S",))["answer"] == {"missing": [], "parts": {}}
    ask = request(tmp_path, make_bundle(tmp_path / "b"), health=("true",), health_s=1.0)
    status, reply = agent(python, "release", ("-S",), **encode(ask))
    assert status == 0, reply
    assert len(decode(ReleaseAnswer, reply["answer"]).missing) == 3
    status, reply = agent(python, "rollback", ("-S",), root=str(tmp_path))
    assert (status, decode(ErrorAnswer, reply["error"]).code) == (1, "no-release")


def environment(python: Path, version: str, runtime: str) -> Path:
    """The Python of a virtual environment with that runtime, made once and kept; skips where pip cannot install it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bramble-tests"
    folder = cache / f"{version}-{runtime}"
    inside = folder / "bin" / "python"
    if (folder / "ready").exists():
        return inside
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", folder], env=clean(), check=True)
    pip = [str(inside), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *NEEDS[runtime]]
    done = subprocess.run(pip, env=clean(), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}")
    (folder / "ready").touch()
    return inside


@pytest.mark.slow
@pytest.mark.parametrize(("version", "runtime"), PAIRS)
def test_verify_and_bench(version: str, runtime: str, python: Path, tmp_path: Path) -> None:
    """With a runtime the agent verifies and times a bundle, a packed one too; it names what the runtime lacks."""
    inside = environment(python, version, runtime)
    for kind in ("int8", "float32"):
        bundle = str(make_bundle(tmp_path / kind, kind=kind))
        status, reply = agent(inside, "verify", bundle=bundle)
        assert status == 0, reply
        verified = decode(VerifyAnswer, reply["answer"])
        assert verified.ok
        assert verified.runtime.startswith(runtime + " ")
        assert verified.max_lsb in ({0, 1} if kind == "int8" else {None})
    (tmp_path / "int8" / "model.tflite").unlink()
    (tmp_path / "int8" / "model.packed").write_bytes(pack(make_model()))
    status, reply = agent(inside, "verify", bundle=str(tmp_path / "int8"))
    assert (status, decode(VerifyAnswer, reply["answer"]).ok) == (0, True), reply
    quick: dict[str, Any] = {"min_runs": 50, "min_s": 0.0, "warmup_s": 0.0, "energy_s": 0.0}
    status, reply = agent(inside, "bench", bundle=bundle, **quick)
    assert status == 0, reply
    assert len(decode(BenchAnswer, reply["answer"]).samples_ns) == 50
    facts = decode(ProbeAnswer, agent(inside, "probe")[1]["answer"]).facts
    assert [known.name for known in facts.runtimes] == [runtime]
    assert facts.numpy is not None
    lacking = {
        "custom operator edgetpu-custom-op": make_model(custom="edgetpu-custom-op"),
        "TensorFlow operator FlexErf": make_model(custom="FlexErf"),
        "operator FULLY_CONNECTED version 99": make_model(version=99),
        "operator number 9999": make_model(builtin=9999),
    }
    for number, (operator, model) in enumerate(lacking.items()):
        status, reply = agent(inside, "verify", bundle=str(make_bundle(tmp_path / f"{number}", model=model)))
        refusal = decode(ErrorAnswer, reply["error"])
        assert (status, refusal.code) == (1, "operator-missing")
        assert refusal.message.endswith(f"lacks {operator}")


@pytest.mark.slow
@pytest.mark.parametrize(("version", "runtime"), PAIRS)
def test_camera(version: str, runtime: str, python: Path, tmp_path: Path) -> None:
    """The camera's loop looks at computed frames, every module of it imported; no Pillow is needed for them."""
    inside = environment(python, version, runtime)
    body = {"bundle": str(make_bundle(tmp_path / "b")), "source": "synthetic:?frames=3", "root": str(tmp_path)}
    request = json.dumps({"version": WIRE_VERSION, "ask": "camera", "body": body}).encode()
    env = clean(PYTHONPATH=str(DEVICE), PYTHONWARNINGS="error", PYTHONDONTWRITEBYTECODE="1")
    run = [str(inside), "-m", "bramble_agent"]
    said = subprocess.run(run, input=request, env=env, capture_output=True, check=True).stdout.splitlines()
    assert [json.loads(line)["line"]["frame"] for line in said[:-1]] == [0, 1, 2]
    assert decode(CameraAnswer, json.loads(said[-1])["answer"]).ended == "end"


@pytest.mark.slow
@pytest.mark.parametrize(("version", "runtime"), PAIRS)
def test_releases(version: str, runtime: str, python: Path, tmp_path: Path) -> None:
    """A first release, a second one of which the model comes as a difference, its health, and the way back."""
    inside, root = environment(python, version, runtime), tmp_path / "board"
    first, second = make_bundle(tmp_path / "a", name="a"), make_bundle(tmp_path / "b", name="b", kind="float32")
    for data in held(first).values():
        assert "answer" in take(inside, root, raw_piece(data), data)
    status, reply = agent(inside, "release", **encode(request(root, first)))
    assert (status, reply["answer"]["state"]) == (0, "current"), reply
    old = (first / "model.tflite").read_bytes()
    for data in held(second).values():
        stream = bz2.compress(difference(data, old))
        assert "answer" in take(inside, root, packed_piece(data, stream, "delta", sha256(old)), stream)
    status, reply = agent(inside, "release", **encode(request(root, second, health=("true",))))
    assert (status, reply["answer"]["state"]) == (0, "current"), reply
    status, reply = agent(inside, "rollback", root=str(root))
    assert (reply["answer"]["current"], reply["answer"]["previous"]) == (bundle_digest(first), bundle_digest(second))


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11"])
def test_runtime_built_for_another_numpy(version: str, python: Path, tmp_path: Path) -> None:
    """tflite-runtime beside NumPy 2, which pip allows: the refusal blames NumPy and says what to install."""
    inside = environment(python, version, "mismatched")
    status, reply = agent(inside, "verify", bundle=str(make_bundle(tmp_path / "b")))
    refusal = decode(ErrorAnswer, reply["error"])
    assert (status, refusal.code) == (1, "runtime-missing")
    assert refusal.message.startswith("tflite-runtime 2.")
    assert "imports but does not work: numpy.core.multiarray failed to import" in refusal.message
    assert "numpy<2" in refusal.hint
