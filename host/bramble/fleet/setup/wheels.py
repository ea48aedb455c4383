"""Wheels for a board, fetched on the host: from the package index into a cache, or out of a folder that someone gives.

pip resolves for the board's Python and machine (``pip download --platform``); dependencies are never followed: a
runtime needs numpy alone, Pillow nothing. In the cache each answer is a folder with one wheel and its sha256 beside it:
it appears by a rename, so a fetch that was killed leaves nothing behind; one whose sha256 differs is fetched anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from bramble.errors import BrambleError, IncompatibleError, StorageError, UsageError
from bramble.fleet.setup.elf import is_elf, needs
from bramble.fleet.setup.target import Target, misfits
from bramble.places import cache_dir

OLDEST_TAG, NEWEST_TAG = 17, 45  # of manylinux_2_x
OLD_TAGS = ("manylinux2014", "linux")
OFFLINE = re.compile(
    r"NewConnectionError|Retrying \(|ConnectTimeout|ProxyError|NameResolution|No route|timed out", re.I
)
FETCH_S = 3600.0
BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, OSError)
PIP = ("-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check")


@dataclass(frozen=True)
class Wheel:
    """A wheel on this host. ``file`` is its name for the board, ``unpacked_bytes`` what it takes once installed."""

    path: Path
    name: str
    version: str
    file: str
    sha256: str
    size_bytes: int
    unpacked_bytes: int


def fetch(requirement: str, target: Target, folder: Path | None = None) -> Wheel:
    """The newest wheel of ``requirement`` for that board: from ``folder``, else from the cache or the index.

    Raises IncompatibleError where there is none, UsageError for a damaged file in the folder, StorageError, and
    BrambleError without network.
    """
    if folder is not None:
        return _from_folder(requirement, target, folder)
    kept = cache_dir() / "wheels" / f"{target.tag}-{target.machine}-{_key(requirement, target)}"
    try:
        wheel = _whole(kept, target)
        if wheel is None:
            _download(requirement, target, kept)
            wheel = _whole(kept, target)
    except OSError as error:
        raise StorageError(
            f"cannot write {kept}: {error.strerror}", "check the folder, or set $BRAMBLE_HOME"
        ) from error
    if wheel is None:
        raise StorageError(f"{kept}: what was fetched is damaged", "check the disk, then try again")
    return wheel


def offered(folder: Path) -> list[tuple[str, str]]:
    """Name and version of every wheel in a folder. Raises UsageError where it is none, or has none."""
    found = []
    for path in sorted(folder.glob("*.whl")) if folder.is_dir() else []:
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename as error:
            raise UsageError(f"{path}: not a wheel's name: {error}", "keep the names that wheels come with") from error
        found.append((str(name), str(version)))
    if not found:
        raise UsageError(f"{folder} has no wheels", "fill it where there is a network: pip download --platform …")
    return found


def unfit(wheel: Wheel, target: Target) -> str:
    """Why the libraries in a wheel cannot be loaded on that board; "" if all can. Raises UsageError for damage."""
    try:
        with zipfile.ZipFile(wheel.path) as archive:
            for member in archive.namelist():
                with archive.open(member) as file:
                    if not is_elf(file.read(4)):
                        continue
                found = misfits(needs(archive.read(member)), target)
                if found:
                    return f"{member.rpartition('/')[2]} needs {' and '.join(found)}"
    except BAD_ZIP as error:
        raise _damaged(wheel.path, error) from error
    return ""


def _from_folder(requirement: str, target: Target, folder: Path) -> Wheel:
    """Let pip choose among the folder's wheels: its copy tells which it took."""
    chosen = cache_dir() / "chosen" / f"{os.getpid()}-{secrets.token_hex(4)}"
    try:
        _pip(requirement, target, chosen, "--isolated", "--no-index", "--find-links", str(folder))
        name = next(chosen.glob("*.whl")).name
    except IncompatibleError as error:
        raise IncompatibleError(f"{folder} has no {requirement} for {target.words}", error.hint) from error
    finally:
        shutil.rmtree(chosen, ignore_errors=True)
    return _wheel(folder / name, target)


def _download(requirement: str, target: Target, kept: Path) -> None:
    """Fetch into a folder of our own, then rename; where another process was faster, its answer stands."""
    fresh = kept.with_name(f".{kept.name}.{os.getpid()}-{secrets.token_hex(4)}")
    fresh.mkdir(parents=True)
    try:
        _pip(requirement, target, fresh)
        path = next(fresh.glob("*.whl"))
        path.with_name(f"{path.name}.sha256").write_text(_sha256(path))
        shutil.rmtree(kept, ignore_errors=True)
        fresh.rename(kept)
    except OSError:
        if not kept.is_dir():
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _pip(requirement: str, target: Target, into: Path, *source: str) -> None:
    """Have pip put one wheel for that board into a folder. Raises as ``fetch`` does."""
    where = ["--python-version", target.python, "--implementation", "cp", "--abi", target.tag]
    for tag in _platforms(target, _is_honest(requirement)):
        where += ["--platform", tag]
    command = [sys.executable, *PIP, "--retries", "2", "--dest", str(into), *where, *source, requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_S)
    except subprocess.TimeoutExpired as error:
        raise _offline(requirement, "it took longer than an hour") from error
    if done.returncode == 0:
        return
    said = done.stderr.strip().splitlines()
    why = next((line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")), (said or ["?"])[-1])
    if "No module named pip" in done.stderr:
        raise BrambleError(f"{sys.executable} has no pip, which fetches wheels", f"{sys.executable} -m ensurepip")
    if OFFLINE.search(done.stderr):
        raise _offline(requirement, "the package index cannot be reached")
    if "No space left" in done.stderr:
        raise StorageError(f"cannot write {into}: no space left", "free some space on this machine")
    if "is invalid" in why:
        raise UsageError(f"{why} It is damaged.", "fetch it again")
    if "No matching distribution" in done.stderr or "Could not find a version" in done.stderr:
        raise IncompatibleError(f"the package index has no {requirement} for {target.words}", why)
    raise BrambleError(f"pip could not fetch {requirement}: {why}", "try again, or give the wheels: --wheels FOLDER")


def _platforms(target: Target, honest: bool) -> list[str]:
    """Platform tags to accept, the board's own glibc first.

    Those of runtimes lie both ways, so all are accepted and the libraries are read.
    """
    own = target.glibc[1] if target.glibc[:1] == (2,) and len(target.glibc) > 1 else NEWEST_TAG
    below = list(range(own, OLDEST_TAG - 1, -1))
    above = [] if honest else list(range(own + 1, NEWEST_TAG + 1))
    tags = [f"manylinux_2_{minor}" for minor in below + above]
    return [f"{tag}_{target.machine}" for tag in (*tags, *OLD_TAGS)]


def _whole(kept: Path, target: Target) -> Wheel | None:
    """The wheel that a folder of the cache holds, None if it is absent or damaged."""
    for path in kept.glob("*.whl"):
        beside = path.with_name(f"{path.name}.sha256")
        if beside.is_file() and beside.read_text() == _sha256(path):
            return _wheel(path, target)
    return None


def _wheel(path: Path, target: Target) -> Wheel:
    name, version, _, tags = parse_wheel_filename(path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except BAD_ZIP as error:
        raise _damaged(path, error) from error
    pure = {tag.platform for tag in tags} == {"any"}
    return Wheel(
        path, str(name), str(version), path.name if pure else _plain(path, target), _sha256(path),
        path.stat().st_size, unpacked,
    )  # fmt: skip


def _plain(path: Path, target: Target) -> str:
    """Its name with a tag that pip on that board takes: what it really needs was read, so the tag may say the least."""
    return "-".join([*path.name.split("-")[:-1], f"linux_{target.machine}.whl"])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_honest(requirement: str) -> bool:
    """Whether its tags are made by auditwheel and tell the truth; those of runtimes do not."""
    return requirement.startswith(("numpy", "pillow"))


def _key(requirement: str, target: Target) -> str:
    told = f"{requirement} {target.glibc if _is_honest(requirement) else ''}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path} is damaged: {error}", "fetch it again")


def _offline(requirement: str, why: str) -> BrambleError:
    return BrambleError(
        f"cannot fetch {requirement}: {why}",
        "connect this machine to the internet once, or give a folder with the wheels: --wheels FOLDER",
    )
