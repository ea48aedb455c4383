"""A runtime into an environment on the board: proved, then switched to; whatever happens, what was in use stays.

Wheels of this environment packed again, a real pip, a real runtime.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from bramble.fleet.agent_zip import agent_zip
from bramble.fleet.setup.proof_model import proof
from bramble_agent import install as module
from bramble_agent.codec import encode
from bramble_agent.errors import AgentError, BadRequest, RuntimeMissing, StorageFailed
from bramble_agent.install import install
from bramble_agent.wire import WIRE_VERSION
from bramble_agent.wire_install import InstallAnswer, InstallAsk, WheelFact
from making import bundle_digest, make_bundle

RUNTIME = f"ai-edge-litert {version('ai-edge-litert')}"
NUMPY = version("numpy")


def fact(path: Path) -> WheelFact:
    """A wheel as the host names it."""
    return WheelFact(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


def asked(root: Path, folder: Path, **changes: Any) -> InstallAsk:
    """The request for the wheels of that folder."""
    runtime, numpy, pip = (next(folder.glob(f"{name}-*.whl")) for name in ("ai_edge_litert", "numpy", "pip"))
    whole = InstallAsk(str(root), "why", proof(), RUNTIME, (fact(runtime), fact(numpy)), fact(pip))
    return replace(whole, **changes)


def send(root: Path, wheels: Path) -> None:
    """Lay the wheels into the store, as links: nothing here writes to them."""
    for path in wheels.glob("*.whl"):
        place = root / "blobs" / fact(path).sha256
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)


def old_environments(root: Path) -> None:
    """Two environments of earlier days, the second in use."""
    for name in ("older", "old"):
        (root / "venvs" / name / "bin").mkdir(parents=True)
    (root / "venv").symlink_to("venvs/old")


def in_use(root: Path) -> str:
    """The name of the environment in use."""
    return (root / "venv").readlink().name


def environments(root: Path) -> list[str]:
    """What lies among the environments, the lock apart."""
    return sorted(path.name for path in (root / "venvs").iterdir() if path.name != "lock")


@pytest.fixture(scope="module")
def made(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board's folder where a runtime was installed beside two older environments; not to be changed."""
    root = tmp_path_factory.mktemp("board") / "home of ünï" / ".bramble"
    old_environments(root)
    send(root, wheels)
    answer = install(asked(root, wheels))
    assert answer == InstallAnswer(True, (), str(root / "venv/bin/python"), RUNTIME, NUMPY, True)
    return root


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """The same board, the test's own."""
    return Path(shutil.copytree(made, tmp_path / "board", symlinks=True))


def test_first_install(made: Path) -> None:
    """The new environment is in use, the one before is kept, an older one is gone; no rest of the work is left."""
    assert len(environments(made)) == 2
    assert environments(made) == sorted(["old", in_use(made)])
    told = json.loads((made / "venv/bramble.json").read_text())
    assert told == {"question": "why", "runtime": RUNTIME, "base": sys.executable}
    assert not (made / "venv/tmp").exists()
    assert "include-system-site-packages = true" in (made / "venv/pyvenv.cfg").read_text()


def test_the_environment_holds_its_own(made: Path) -> None:
    """Runtime and NumPy come from the environment, pinned by their sha256; pip itself was not installed."""
    code = "import numpy, ai_edge_litert; print(numpy.__file__); print(ai_edge_litert.__path__[0])"
    told = subprocess.run([made / "venv/bin/python", "-c", code], check=True, capture_output=True, text=True).stdout
    assert all(Path(line).is_relative_to(made / "venv") for line in told.splitlines())
    assert (made / "venv/requirements.txt").read_text().count("--hash=sha256:") == 2
    site = next((made / "venv/lib").glob("python3*/site-packages"))
    assert not (site / "pip").exists()


def test_again(copied: Path, wheels: Path) -> None:
    """The same question again: it is ready, nothing was done; a look without wheels says the same."""
    before = {path: path.lstat().st_mtime_ns for path in copied.rglob("*")}
    ready = InstallAnswer(True, (), str(copied / "venv/bin/python"), RUNTIME, NUMPY, False)
    assert install(asked(copied, wheels)) == ready
    assert install(asked(copied, wheels, wheels=(), pip=None, runtime="")) == ready
    known = {path for path in before if "__pycache__" not in path.parts and path.name != "lock"}
    assert {path: path.lstat().st_mtime_ns for path in known} == {path: before[path] for path in known}


def test_look_at_a_blank_board(tmp_path: Path, wheels: Path) -> None:
    """A look at a blank board is no error, and makes nothing."""
    answer = install(asked(tmp_path / "root", wheels, wheels=(), pip=None, runtime=""))
    assert answer == InstallAnswer(False, (), "", "", "", False)
    assert not (tmp_path / "root").exists()


def test_another_question_with_the_same_answer(copied: Path, wheels: Path) -> None:
    """Asked for other reasons, the same wheels are the same environment: nothing is installed."""
    name, before = in_use(copied), environments(copied)
    assert not install(asked(copied, wheels, wheels=(), pip=None, question="other")).ready
    answer = install(asked(copied, wheels, question="other"))
    assert (answer.ready, answer.changed, in_use(copied)) == (True, True, name)
    assert install(asked(copied, wheels, wheels=(), pip=None, question="other")).ready
    assert environments(copied) == before


def test_missing_wheels(tmp_path: Path, wheels: Path) -> None:
    """What is absent or damaged is named by its sha256, and nothing is installed."""
    ask = asked(tmp_path, wheels)
    everything = tuple(one.sha256 for one in (*ask.wheels, ask.pip) if one)
    assert install(ask).missing == everything
    send(tmp_path, wheels)
    damaged = tmp_path / "blobs" / everything[1]
    data = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(data[:-1])
    (tmp_path / "incoming").mkdir()
    (tmp_path / f"incoming/{everything[1]}.part").write_bytes(data[:99])
    assert install(ask) == InstallAnswer(False, (everything[1],), "", "", "", False, {everything[1]: 99})
    assert environments(tmp_path) == []


@pytest.mark.slow
def test_a_broken_environment_is_replaced(copied: Path, wheels: Path) -> None:
    """One in use that no longer works is not pulled away: a new one is made beside it, then switched to."""
    broken = in_use(copied)
    shutil.rmtree(next((copied / "venv/lib").glob("python3*/site-packages/ai_edge_litert")))
    answer = install(asked(copied, wheels))
    assert (answer.ready, answer.changed) == (True, True)
    assert in_use(copied) == f"{broken}-2"
    assert environments(copied) == [broken, f"{broken}-2"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["environment", "half of pip"])
def test_killed(copied: Path, wheels: Path, moment: str) -> None:
    """Killed in the middle of an install, what was in use stays; the next one cleans up and completes it."""
    broken = in_use(copied)
    shutil.rmtree(copied / "venvs" / broken / "bin")
    (copied / "agent.zip").write_bytes(agent_zip().data)
    message = {"version": WIRE_VERSION, "ask": "install", "body": encode(asked(copied, wheels))}
    process = subprocess.Popen([sys.executable, copied / "agent.zip"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(json.dumps(message).encode())
    process.stdin.close()
    wanted = {"environment": ".fresh-*/bin/python", "half of pip": ".fresh-*/lib/python3*/site-packages/*"}[moment]
    deadline = time.monotonic() + 60
    while not list((copied / "venvs").glob(wanted)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()
    assert in_use(copied) == broken
    answer = install(asked(copied, wheels))
    assert (answer.ready, answer.changed) == (True, True)
    assert [name for name in environments(copied) if name.startswith(".")] == []


def test_the_lock_dies_with_its_process(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one process holds the lock another is told so in time; once it is killed, at any rate, it is free."""
    monkeypatch.setattr(module, "WAIT_S", 0.3)
    (tmp_path / "venvs").mkdir()
    code = (
        "import fcntl,sys,time;f=open(sys.argv[1],'w');fcntl.flock(f,fcntl.LOCK_EX);print(1,flush=True);time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "venvs/lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(AgentError, match="another push or setup holds"):
            install(asked(tmp_path, wheels))
        holder.kill()
        holder.wait()
        assert install(asked(tmp_path, wheels)).missing


@pytest.mark.slow
def test_a_runtime_that_does_not_run(copied: Path, wheels: Path) -> None:
    """A runtime that installs and gives a wrong answer is refused; what was in use stays, nothing is left."""
    name, before = in_use(copied), environments(copied)
    wrong = replace(proof(), output=(1.0, 2.0))
    with pytest.raises(RuntimeMissing, match=r"answers \[30\.5, 9\.5\], right is \[1\.0, 2\.0\]"):
        install(asked(copied, wheels, question="other", proof=wrong))
    assert (in_use(copied), environments(copied)) == (name, before)


@pytest.mark.parametrize("field", ["file", "sha256"])
def test_names_with_paths(tmp_path: Path, wheels: Path, field: str) -> None:
    """A wheel's name or digest that leaves its folder is refused."""
    ask = asked(tmp_path, wheels)
    with pytest.raises(BadRequest, match=r"is not a (wheel's name|digest)"):
        install(replace(ask, wheels=(replace(ask.wheels[0], **{field: "../../etc/passwd"}),)))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of our own with room for less than a runtime."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.slow
def test_full_disk(disk: Path, wheels: Path) -> None:
    """Where the environment does not fit it is a failure of storage; what was in use stays, with room it goes on."""
    old_environments(disk)
    send(disk, wheels)
    with pytest.raises(StorageFailed, match=r"(?i)no space left") as caught:
        install(asked(disk, wheels))
    assert "free some space" in caught.value.hint
    assert (in_use(disk), environments(disk)) == ("old", ["old", "older"])
    subprocess.run(["mount", "-o", "remount,size=300m", disk], check=True)
    assert install(asked(disk, wheels)).changed


def test_read_only_disk(disk: Path, wheels: Path) -> None:
    """On a disk that was turned read-only the refusal says so; a look still answers."""
    old_environments(disk)
    send(disk, wheels)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(StorageFailed, match="Read-only"):
        install(asked(disk, wheels))
    assert not install(asked(disk, wheels, wheels=(), pip=None)).ready
    assert in_use(disk) == "old"


def test_old_wheels_are_removed(copied: Path, wheels: Path, tmp_path: Path) -> None:
    """Wheels that nobody asked for lately are removed, these and fresh ones stay, and so do files of releases."""
    bundle = make_bundle(tmp_path / "bundle")
    shutil.copytree(bundle, copied / "releases" / bundle_digest(bundle))
    labels = hashlib.sha256((bundle / "labels.txt").read_bytes()).hexdigest()
    for name, age in (("stale", 2 * 3_600), ("young", 60), (labels, 2 * 86_400)):
        (copied / "blobs" / name).write_bytes(b"")
        os.utime(copied / "blobs" / name, (time.time() - age,) * 2)
    install(asked(copied, wheels, question="other"))
    left = {path.name for path in (copied / "blobs").iterdir()}
    assert left == {fact(path).sha256 for path in wheels.glob("*.whl")} | {"young", labels}
