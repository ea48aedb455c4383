"""A TFLite runtime into a private environment, from wheels that lie here: proved first, then switched to by one rename.

    <root>/blobs/<sha256>      wheels, as the host sent them (``store``)
    <root>/venvs/<digest>/     environments, with bramble.json: what was asked, and what came of it
    <root>/venv                symbolic link to the one in use

The environment sees the system's packages (picamera2 comes from apt). pip is one of the wheels and runs out of its own
file, so neither pip nor python3-venv must be installed, and nothing is fetched: every wheel is pinned by its sha256.
A whole setup is one process under one lock, which ends with the process however it ends. Whatever happens in between
(power cut, kill, full disk), ``venv`` points at an environment that was proved, or does not exist.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .errors import AgentError, BadRequest, StorageFailed
from .files import check_sha256, point, sync, write_whole
from .locking import locked
from .prove import Proved, prove
from .retention import needed
from .store import clear, missing, unfinished
from .wire_install import InstallAnswer, InstallAsk, WheelFact

MARKER = "bramble.json"
WAIT_S = 900.0
PIP = (
    *("--isolated", "install", "--no-index", "--require-hashes", "--no-deps", "--ignore-installed", "--no-compile"),
    *("--no-cache-dir", "--disable-pip-version-check", "--no-warn-script-location", "--quiet"),
)
NOT_READY = InstallAnswer(False, (), "", "", "", False)


def install(ask: InstallAsk) -> InstallAnswer:
    """Whether what is asked is in use and works; if not and the wheels are here, install, prove and switch to it.

    ``missing`` names the sha256 of wheels that must be sent first. Raises StorageFailed, RuntimeMissing where the
    runtime does not work here, AgentError where pip or venv fail; then everything is as it was.
    """
    root = Path(ask.root).expanduser().absolute()  # the host may know it from its session's folder on
    if not ask.wheels or ask.pip is None:
        return _in_use(root, ask) or NOT_READY
    try:
        with locked(root / "venvs", WAIT_S):
            found = _in_use(root, ask)
            if found:
                return found
            absent = _missing(root, (*ask.wheels, ask.pip))
            if absent:
                return replace(NOT_READY, missing=absent, parts=unfinished(root))
            return _installed(root, ask, ask.pip)
    except OSError as error:
        raise _storage(root, error.strerror or str(error)) from error


def _in_use(root: Path, ask: InstallAsk) -> InstallAnswer | None:
    """What is in use, if it came of the same question and still works."""
    told = _marker(root / "venv")
    if told.get("question") != ask.question:
        return None
    python = root / "venv/bin/python"
    try:
        proved = prove(python, ask.proof, str(told.get("runtime")))
    except (AgentError, OSError):
        return None
    return InstallAnswer(True, (), str(python), proved.runtime, proved.numpy, False)


def _installed(root: Path, ask: InstallAsk, pip: WheelFact) -> InstallAnswer:
    folder = root / "venvs"
    for left in folder.glob(".fresh-*"):  # of a setup that was killed: we are alone
        shutil.rmtree(left, ignore_errors=True)
    target = folder / _digest(ask)
    proved = _works(target, ask)
    if not proved:
        target = _free(target)
        proved = _built(target, root, ask, pip)
    _mark(target, ask)
    before = _switch(root, target)
    for other in folder.iterdir() if before != target.name else ():
        if other.is_dir() and other.name not in (target.name, before):
            shutil.rmtree(other, ignore_errors=True)
    clear(root, needed(root))  # wheels that nobody asked for lately
    return InstallAnswer(True, (), str(root / "venv/bin/python"), proved.runtime, proved.numpy, True)


def _built(target: Path, root: Path, ask: InstallAsk, pip: WheelFact) -> Proved:
    """Make a new environment, which appears at ``target`` whole and proved."""
    fresh = target.with_name(f".fresh-{os.getpid()}")
    try:
        _make_venv(fresh)
        _pip_install(fresh, root, ask, pip)
        proved = prove(fresh / "bin/python", ask.proof, ask.runtime)
        _mark(fresh, ask)
        os.sync()
        os.rename(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return proved


def _make_venv(fresh: Path) -> None:
    done = _run([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(fresh)], fresh.parent)
    if done.returncode:
        raise _failed("python3 -m venv", done, fresh, "on the board: sudo apt install python3-venv")


def _pip_install(fresh: Path, root: Path, ask: InstallAsk, pip: WheelFact) -> None:
    scratch = fresh / "tmp"
    scratch.mkdir()
    for one in (*ask.wheels, pip):
        (scratch / one.file).symlink_to(root / "blobs" / one.sha256)
    lines = [f"{(scratch / one.file).as_uri()} --hash=sha256:{one.sha256}\n" for one in ask.wheels]
    requirements = fresh / "requirements.txt"
    requirements.write_text("".join(lines))
    done = _run([str(fresh / "bin/python"), str(scratch / pip.file / "pip"), *PIP, "-r", str(requirements)], scratch)
    if done.returncode:
        raise _failed("pip install", done, fresh, "this is a bug in Bramble: please report it")
    shutil.rmtree(scratch)


def _run(argv: Sequence[str], scratch: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return subprocess.run(
        list(argv),
        env={**kept, "TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _failed(what: str, done: subprocess.CompletedProcess[str], place: Path, hint: str) -> AgentError:
    said = (done.stderr + done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
    full = next((line for line in said if "Errno 28" in line or "No space left" in line), "")
    if full or shutil.disk_usage(place.parent).free == 0:
        return _storage(place.parent, "no space left on the device")
    why = next((line for line in said if line.startswith("ERROR: ")), said[-1])
    return AgentError(f"{what} failed: {why}", hint)


def _works(target: Path, ask: InstallAsk) -> Proved | None:
    """What a whole environment of that name, there from before, proves; None if there is none or it fails."""
    if not _marker(target):
        return None
    try:
        return prove(target / "bin/python", ask.proof, ask.runtime)
    except (AgentError, OSError):
        return None


def _free(target: Path) -> Path:
    """The first free name: a damaged environment may be in use and is not pulled away before the switch."""
    number, free = 2, target
    while free.exists():
        free, number = target.with_name(f"{target.name}-{number}"), number + 1
    return free


def _switch(root: Path, target: Path) -> str:
    """Point ``venv`` there; returns the name it pointed at before ("" if none)."""
    link = root / "venv"
    before = Path(os.readlink(link)).name if link.is_symlink() else ""
    point(link, Path("venvs") / target.name)
    sync(root)
    return before


def _mark(target: Path, ask: InstallAsk) -> None:
    told = {"question": ask.question, "runtime": ask.runtime, "base": sys.executable}
    write_whole(target / MARKER, json.dumps(told).encode())


def _marker(venv: Path) -> dict[str, Any]:
    try:
        told = json.loads((venv / MARKER).read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _digest(ask: InstallAsk) -> str:
    """What names an environment: the Python it is of, and every wheel in it."""
    told = [sys.executable, sys.version, *sorted(one.sha256 for one in ask.wheels)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _missing(root: Path, wheels: Sequence[WheelFact]) -> tuple[str, ...]:
    """Which of these the store lacks. Raises BadRequest for names that lead elsewhere."""
    for one in wheels:
        check_sha256(one.sha256)
        if Path(one.file).name != one.file or not one.file.endswith(".whl"):
            raise BadRequest(f"{one.file!r} is not a wheel's name", "the host must send plain names")
    return tuple(missing(root, {one.sha256: one.size_bytes for one in wheels}))


def _storage(where: Path, why: str) -> StorageFailed:
    return StorageFailed(f"{where}: {why}", "free some space on the board, or check the permissions")
