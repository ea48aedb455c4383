"""Open a bundle, a folder or one ``.zip``, and trust nothing in it before its sha256 is checked.

    manifest.json   wire.Manifest; its own sha256 is the bundle's digest, which names the release
    model.tflite    the model
    labels.txt      one class name a line
    golden.npz      pixels, input_<i>, output_<i>: answers that every board must give too
    model.packed    in place of the model where that is smaller (see ``unpacking``); the manifest knows the model only

Refused with a reason: a missing or extra-long file, one bit changed, names with a path in them, links, another version,
a model without inputs or outputs, more or fewer labels than classes.
Nothing is ever unpacked to a name that the archive chose.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from .codec import decode
from .digest import sha256_file
from .errors import AgentError, BundleDamaged, BundleTooNew, RuntimeMissing
from .wire import BUNDLE_VERSION, Manifest

MANIFEST = "manifest.json"
LIMIT_BYTES = {
    MANIFEST: 1 << 20,
    "model.tflite": 1 << 30,
    "labels.txt": 1 << 20,
    "golden.npz": 256 << 20,
}
PACKED, MODEL = "model.packed", "model.tflite"
PACKED_BYTES = 256 << 20
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # it becomes part of paths
AGAIN = "build or copy the bundle again"
SETUP = "bramble board setup"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle. ``files`` maps each name to a path (folder) or to its bytes (zip).

    ``packed`` is the packed form of the model that came with it, if any; in a folder beside the model, not yet checked.
    """

    manifest: Manifest
    digest: str
    labels: tuple[str, ...]
    files: dict[str, Path | bytes]
    packed: bytes | None = None

    @property
    def model(self) -> Path | bytes:
        """The .tflite: a path, so that a runtime can map it, or its bytes."""
        return self.files["model.tflite"]

    def read(self, name: str) -> bytes:
        """The bytes of one of the bundle's files."""
        held = self.files[name]
        return held if isinstance(held, bytes) else held.read_bytes()


def open_bundle(path: Path) -> Bundle:
    """Open and check the bundle at ``path``.

    Raises BundleDamaged (missing, truncated, altered, unsafe), BundleTooNew, or RuntimeMissing where a packed model
    comes and NumPy does not import.
    """
    if path.is_dir():
        path = path.resolve()  # once: `current` may be switched while we read
        files: dict[str, Path | bytes] = dict(_folder_files(path))
    elif path.is_file():
        files = dict(_zip_files(path))
    else:
        raise BundleDamaged(f"no bundle at {path}", "give a bundle folder or .zip; `bramble build` makes one")
    packed = _bytes(files.pop(PACKED)) if PACKED in files else None
    missing = sorted(set(LIMIT_BYTES) - set(files) - ({MODEL} if packed else set()))
    if missing:
        raise BundleDamaged(f"{path}: {missing[0]} is missing", AGAIN)
    raw = _bytes(files[MANIFEST])
    manifest = read_manifest(raw, path)
    if packed and MODEL not in files:
        files[MODEL] = _unpacked(packed, manifest, path)
    elif packed and not _stands_for(packed, manifest):
        packed = None
    for name in LIMIT_BYTES:
        if name != MANIFEST:
            _check(name, files[name], manifest, path)
    labels = _labels(_bytes(files["labels.txt"]), path)
    _check_sense(manifest, labels, path)
    return Bundle(manifest, hashlib.sha256(raw).hexdigest(), labels, files, packed)


def _folder_files(folder: Path) -> list[tuple[str, Path]]:
    found = []
    for name in (*LIMIT_BYTES, PACKED):
        path = folder / name
        try:
            facts = os.lstat(path)
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(facts.st_mode):
            raise BundleDamaged(f"{path} is a link or not a plain file", AGAIN)
        _check_limit(path, facts.st_size, LIMIT_BYTES.get(name, PACKED_BYTES))
        found.append((name, path))
    return found


def _zip_files(path: Path) -> list[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for member in members:
                _check_member(path, member)
            if len({member.filename for member in members}) != len(members):
                raise BundleDamaged(f"{path}: a file occurs twice", AGAIN)
            if {PACKED, MODEL} <= {member.filename for member in members}:
                raise BundleDamaged(f"{path}: it has the model twice, packed and plain", AGAIN)
            return [(member.filename, archive.read(member)) for member in members]
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise BundleDamaged(f"{path} is not a whole bundle: {error}", AGAIN) from error


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    mode = member.external_attr >> 16
    if member.filename not in (*LIMIT_BYTES, PACKED):
        raise BundleDamaged(f"{path}: unexpected member {member.filename!r}", "a bundle holds four files, no folders")
    if stat.S_ISLNK(mode):
        raise BundleDamaged(f"{path}: member {member.filename!r} is a link", AGAIN)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleDamaged(f"{path}: member {member.filename!r} is compressed in a way boards cannot read", AGAIN)
    _check_limit(path / member.filename, member.file_size, LIMIT_BYTES.get(member.filename, PACKED_BYTES))


def _check_limit(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise BundleDamaged(f"{path} has {size:,} bytes, more than the {limit:,} allowed", AGAIN)


def read_manifest(raw: bytes, path: Path) -> Manifest:
    """The manifest in these bytes; ``path`` is for the message. Raises BundleDamaged or BundleTooNew."""
    try:
        value = json.loads(raw)
        version = value["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleDamaged(f"{path}: manifest.json is not a manifest ({error})", AGAIN) from error
    if version != BUNDLE_VERSION:
        raise BundleTooNew(
            f"{path}: bundle version {version!r}, this Bramble reads {BUNDLE_VERSION}",
            "build it again with this Bramble, or use the Bramble that built it",
        )
    try:
        return decode(Manifest, value, "manifest.json")
    except AgentError as error:
        raise BundleDamaged(f"{path}: {error.message}", AGAIN) from error


def _stands_for(packed: bytes, manifest: Manifest) -> bool:
    """Whether a packed form beside the model says that it is this model's."""
    fact = manifest.files.get(MODEL)
    return fact is not None and packed[4:36].hex() == fact.sha256


def _unpacked(packed: bytes, manifest: Manifest, path: Path) -> bytes:
    """The model that came packed; at most as large as the manifest says it is."""
    try:
        from .unpacking.unpack import unpack
    except ImportError as error:
        told = " ".join(str(error.__cause__ or error).split())
        raise RuntimeMissing(f"{path}: the model is packed, and NumPy does not import: {told}", SETUP) from error
    fact = manifest.files.get(MODEL)
    try:
        return unpack(packed, fact.size_bytes if fact else 0)
    except BundleDamaged as error:
        raise BundleDamaged(f"{path}: {error.message}", AGAIN) from error


def _labels(raw: bytes, path: Path) -> tuple[str, ...]:
    try:
        return tuple(raw.decode("utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise BundleDamaged(f"{path}: labels.txt is not UTF-8: {error.reason}", "save it as UTF-8") from error


def _check(name: str, held: Path | bytes, manifest: Manifest, path: Path) -> None:
    fact = manifest.files.get(name)
    if fact is None:
        raise BundleDamaged(f"{path}: manifest.json does not list {name}", AGAIN)
    size = len(held) if isinstance(held, bytes) else held.stat().st_size
    if size != fact.size_bytes:
        raise BundleDamaged(f"{path}: {name} has {size:,} bytes, not {fact.size_bytes:,}", AGAIN)
    actual = hashlib.sha256(held).hexdigest() if isinstance(held, bytes) else sha256_file(held)
    if actual != fact.sha256:
        raise BundleDamaged(f"{path}: {name} was altered (its sha256 differs from the manifest's)", AGAIN)


def _check_sense(manifest: Manifest, labels: tuple[str, ...], path: Path) -> None:
    """What a whole manifest may still have wrong, and what those who use it rely on."""
    if not NAME.fullmatch(manifest.name):
        hint = "a name is up to 64 of a-z, 0-9, dot, dash and underscore, a letter or digit first"
        raise BundleDamaged(f"{path}: a model cannot be named {manifest.name[:80]!r}", hint)
    if not manifest.inputs or not manifest.outputs:
        lacking = "outputs" if manifest.inputs else "inputs"
        raise BundleDamaged(f"{path}: manifest.json lists no {lacking}", AGAIN)
    classes = (manifest.outputs[0].shape or (1,))[-1]
    if manifest.task == "classification" and len(labels) != classes:
        raise BundleDamaged(f"{path}: labels.txt has {len(labels):,} names for {classes:,} classes", AGAIN)


def _bytes(held: Path | bytes) -> bytes:
    return held if isinstance(held, bytes) else held.read_bytes()
