"""Make the root file system of a kind of board once, and keep it under the digest of all that made it.

mmdebstrap downloads and unpacks the packages without running any of their scripts, so that nothing is emulated;
``userland`` writes by hand what the scripts would have. Only two of the board's own programs are run at last: ldconfig,
and Python to compile its library, as a real installation does: every start of Python is 0.7 s shorter for it.

A build happens in a folder of its own, renamed when it is complete; what was downloaded is kept beside it, so that a
build that was interrupted goes on from there. Two processes that want the same one: the second waits for the first.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import userland
from .kinds import PACKAGES, Kind
from .needs import NAMESPACES, MissingError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MERGED_USR = Path("/usr/share/mmdebstrap/hooks/merged-usr")
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")
NOT_COMPILED = "/(test|tests|lib2to3|idlelib|pydoc_data|ensurepip|turtledemo|tkinter)/"
SLOWEST_S = 900
HERE = Path(__file__).parents[1]


def mirror() -> str:
    """Where Debian's packages come from."""
    return os.environ.get("BRAMBLE_MIRROR", "http://deb.debian.org/debian")


def cache() -> Path:
    """Where root file systems are kept."""
    return Path(os.environ.get("BRAMBLE_CACHE") or Path.home() / ".cache" / "bramble-boards")


def key(kind: Kind) -> str:
    """The name of the root file system of ``kind``: another one for every change of what it is made by."""
    digest = hashlib.sha256(repr((kind, PACKAGES)).encode())
    for module in (__file__, userland.__file__):
        digest.update(Path(module).read_bytes())
    return f"{kind.suite}-{kind.arch}-{digest.hexdigest()[:16]}"


def ready(kind: Kind) -> Path:
    """The root file system of ``kind``, made now if it is not there.

    Raises MissingError where it would have to be made and the mirror does not answer.
    """
    target = cache() / key(kind)
    if not target.is_dir():
        cache().mkdir(parents=True, exist_ok=True)
        with _alone(cache() / f"{kind.suite}-{kind.arch}.lock"):
            if not target.is_dir():
                _check_sources(kind)
                _make(kind, target)
    return target


def _make(kind: Kind, target: Path) -> None:
    for stale in cache().glob(f"{kind.suite}-{kind.arch}-*.part"):
        shutil.rmtree(stale)
    fresh = target.with_suffix(".part")
    debs = cache() / f"debs-{kind.suite}-{kind.arch}"
    (debs / "partial").mkdir(parents=True, exist_ok=True)
    log = target.with_suffix(".log")
    with log.open("wb") as output:
        _run(_unpack(kind, fresh, debs), output.fileno(), log)
        userland.write(fresh)
        for command in _finish(fresh):
            emulated = [sys.executable, "-m", "virtual_board.binfmt", kind.name, str(fresh), *command]
            _run(emulated, output.fileno(), log)
    for used_up in ("var/cache/apt", "var/lib/apt"):
        shutil.rmtree(fresh / used_up)
    fresh.rename(target)


def _unpack(kind: Kind, fresh: Path, debs: Path) -> list[str]:
    """The command that downloads into ``debs`` and unpacks into ``fresh``."""
    source = f"deb [signed-by={KEYRING}] {mirror()} {kind.suite} main"
    archives = '"$1/var/cache/apt/archives"'
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=extract",
        "--format=directory",
        f"--architectures={kind.arch}",
        "--skip=check/qemu,cleanup/apt",
        f"--hook-dir={MERGED_USR}",
        f"--setup-hook=mkdir -p {archives} && mount --bind '{debs}' {archives}",
        f"--include={','.join((*PACKAGES.split(), *kind.more_packages))}",
        '--aptopt=APT::Sandbox::User "root"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
        kind.suite,
        str(fresh),
        source,
    ]


def _finish(fresh: Path) -> list[list[str]]:
    """What is left to the board's own programs: the loader's cache, and the compiled standard library."""
    library = next(fresh.glob("usr/lib/python3.*")).name
    return [
        ["/usr/sbin/ldconfig"],
        ["/usr/bin/python3", "-m", "compileall", "-q", "-x", NOT_COMPILED, f"/usr/lib/{library}"],
    ]


def _run(command: list[str], output: int, log: Path) -> None:
    """Run a command in namespaces of its own: whatever ends it, no mount and no process of it stays."""
    whole = ["setpriv", "--pdeathsig=KILL", *NAMESPACES, *command]
    with subprocess.Popen(whole, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=HERE) as process:
        try:
            status = process.wait(SLOWEST_S)
        finally:
            process.kill()
    if status:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise RuntimeError(f"{command[0]} failed with exit status {status}:\n{last}")


def _check_sources(kind: Kind) -> None:
    if not KEYRING.exists():
        raise MissingError("Debian's keys are not installed: apt install debian-archive-keyring")
    url = f"{mirror()}/dists/{kind.suite}/Release"
    try:
        with urllib.request.urlopen(url, timeout=30):  # noqa: S310 - the user's own mirror
            pass
    except OSError as error:
        raise MissingError(f"the mirror of packages does not answer: {url}: {error}") from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file: of two that make the same root file system, the second finds what the first made."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
