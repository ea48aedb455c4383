"""The content-addressed store: what was made, from what, where; whole or not at all.

An artifact is a folder named by a key over everything that went into it (recipe table, parent's key, data digest, code
digest, library versions). It is filled under a temporary name, its files are listed with their sha256 in
``artifact.json``, everything is flushed, and one rename makes it appear. So an interrupted run leaves nothing
half-made, and a repeated one finds what was finished.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bramble.errors import StorageError
from bramble_agent.digest import sha256_file

FACTS = "artifact.json"


@dataclass(frozen=True)
class Artifact:
    """A finished folder and the facts that were stored with it."""

    key: str
    folder: Path
    facts: dict[str, Any]

    def file(self, name: str) -> Path:
        """The path of one of its files."""
        return self.folder / name


class Store:
    """Artifacts under one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, key: str) -> Artifact | None:
        """The artifact of that key, or None if it was never finished or no longer is what was written."""
        folder = self.root / key
        try:
            held = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            files, facts = held["files"], held["facts"]
            intact = held["check"] == key_of(files, facts)
            intact = intact and all(sha256_file(folder / name) == digest for name, digest in files.items())
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Artifact(key, folder, facts) if intact else None

    def make(self, key: str, fill: Callable[[Path], dict[str, Any]]) -> Artifact:
        """Let ``fill`` write files into a fresh folder and return facts (JSON values); then put it in place.

        Raises StorageError where the disk is full or not writable (an OSError of ``fill`` is taken for that); what else
        ``fill`` raises passes through.
        """
        folder = self.root / f".{key}.{os.getpid()}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._clean()
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            facts = fill(folder)
            self._finish(folder, key, facts)
        except OSError as error:
            raise StorageError(
                f"cannot write under {self.root}: {error.strerror or error}",
                "free some space or choose another folder with --runs; finished stages are kept",
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Artifact(key, self.root / key, facts)

    def _finish(self, folder: Path, key: str, facts: dict[str, Any]) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {str(path.relative_to(folder)): sha256_file(path) for path in paths}
        held = {"files": files, "facts": facts, "check": key_of(files, facts)}
        (folder / FACTS).write_text(json.dumps(held, indent=1), encoding="utf-8")
        for path in (*paths, folder / FACTS, folder):
            _sync(path)
        _replace(folder, self.root / key)
        _sync(self.root)

    def _clean(self) -> None:
        """Remove what runs that were killed left behind."""
        for left in self.root.glob(".*.*"):
            owner = left.name.rpartition(".")[2]
            if left.is_dir() and owner.isdigit() and not Path(f"/proc/{owner}").exists():
                shutil.rmtree(left, ignore_errors=True)


def key_of(*parts: object) -> str:
    """A short hex key over JSON values (sha256, 128 bits of it)."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def code_digest(*modules: str) -> str:
    """A digest of the source of modules given by name (not imported), so that changed code makes new artifacts."""
    found = (importlib.util.find_spec(name) for name in modules)
    return key_of(*(sha256_file(Path(spec.origin)) for spec in found if spec and spec.origin))


def _replace(folder: Path, target: Path) -> None:
    """Rename ``folder`` to ``target``; what lies there is moved aside in one step before it is removed.

    That is a damaged one, or the equal one of a run that finished meanwhile, perhaps just now: hence the loop.
    """
    aside = folder.with_name(f".{target.name}-old.{os.getpid()}")
    while True:
        try:
            folder.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
        with contextlib.suppress(FileNotFoundError):  # the other run is at this point too
            target.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
