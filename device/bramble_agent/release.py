"""Releases on a board: made of whole files, checked by their answers, switched by one rename, taken back if they fail.

    <root>/blobs/…                files by sha256 (``store``)
    <root>/releases/<digest>/     bundles; their files are hard links into the store where the file system has them
    <root>/current, previous      symbolic links into releases
    <root>/trial.json             while a switch is being tried: what to go back to

Whatever happens in between (power cut, kill, full disk), ``current`` points at a whole release that gave its golden
answers here, or does not exist. A trial that was cut off is taken back by whoever comes next.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from . import board
from .bundle import LIMIT_BYTES, MANIFEST, open_bundle, read_manifest
from .codec import decode, encode
from .errors import AgentError, BadRequest, BundleDamaged, NoRelease, StorageFailed
from .files import point, sync, write_whole
from .health import healthy
from .installed import available
from .locking import locked
from .oneself import ask_afresh
from .signature import check_signature
from .store import check_sha256, clear, missing, unfinished
from .wire import Manifest, VerifyAnswer, VerifyAsk
from .wire_release import ReleaseAnswer, ReleaseAsk, RollbackAnswer, RollbackAsk

LINKS = ("current", "previous")
TRIAL = "trial.json"


def release(ask: ReleaseAsk) -> ReleaseAnswer:
    """Make a release of files that are in the store, check its answers, and switch to it if asked to.

    Raises BundleDamaged for a manifest that makes no bundle, NotTrusted, StorageFailed, Busy, BadRequest where the
    manifest is not the one that ``ask.digest`` names, and what verifying raises.
    """
    raw = ask.manifest.encode()
    check_sha256(ask.digest)
    if hashlib.sha256(raw).hexdigest() != ask.digest:
        raise BadRequest("the manifest is not the one that the digest names", "push again")
    root = Path(ask.root).expanduser().absolute()
    manifest = read_manifest(raw, root / MANIFEST)
    _check_files(manifest)
    try:
        with locked(root):
            _take_back(root)
            check_signature(root, raw, ask.signature)
            if not _holds(root, ask.digest):
                absent = missing(root, {fact.sha256: fact.size_bytes for fact in manifest.files.values()})
                if absent:
                    return _answer(root, "missing", ask.digest, missing=tuple(absent), parts=unfinished(root))
                _assemble(root, ask.digest, raw, manifest)
            return _tried(root, ask)
    except OSError as error:
        raise StorageFailed(
            f"{root}: {error.strerror or error}", "free some space, or check the permissions"
        ) from error


def _check_files(manifest: Manifest) -> None:
    """Names and digests become paths: only those of a bundle's own files are taken."""
    wanted = set(LIMIT_BYTES) - {MANIFEST}
    if set(manifest.files) != wanted:
        odd = sorted(set(manifest.files) ^ wanted)[0]
        raise BundleDamaged(f"the manifest lists {odd!r}, or lacks it", "build the bundle again")
    for fact in manifest.files.values():
        check_sha256(fact.sha256)


def rollback(ask: RollbackAsk) -> RollbackAnswer:
    """Swap current and previous; the one that becomes current must be whole and give its golden answers.

    Raises NoRelease where there is no other release, or it cannot be trusted; nothing is changed then.
    """
    root = Path(ask.root).expanduser().absolute()
    with locked(root):
        _take_back(root)
        links = _links(root)
        if not links["previous"] or links["previous"] == links["current"]:
            raise NoRelease("there is no earlier release to go back to", "push the bundle you want")
        if not _holds(root, links["previous"]):
            raise NoRelease(f"the earlier release {links['previous'][:12]} is damaged", "push the bundle you want")
        check_signature(root, (root / "releases" / links["previous"] / MANIFEST).read_bytes(), "")
        said = _verified(root / "releases" / links["previous"], ask.threads)
        if not said.ok:
            raise NoRelease(
                f"the earlier release {links['previous'][:12]} does not give its golden answers", "push another bundle"
            )
        _set_links(root, {"current": links["previous"], "previous": links["current"]})
        return RollbackAnswer(links["previous"], links["current"], said)


def _tried(root: Path, ask: ReleaseAsk) -> ReleaseAnswer:
    """Verify a whole release; switch to it if asked to and stay there only if it is well."""
    folder = root / "releases" / ask.digest
    said = None if ask.again else _remembered(root, ask.digest, ask.threads)
    if said is None:
        said = _verified(folder, ask.threads)
    if not said.ok:
        return _answer(root, "refused", ask.digest, verify=said)
    _remember(root, ask.digest, ask.threads, said)
    if not ask.switch:
        return _answer(root, "ready", ask.digest, verify=said)
    before = _links(root)
    if before["current"] != ask.digest:
        why = _switched(root, ask, before)
        if why:
            return _answer(root, "rolled-back", ask.digest, verify=said, detail=why)
    _retain(root, ask.keep)
    return _answer(root, "current", ask.digest, verify=said)


def _switched(root: Path, ask: ReleaseAsk, before: dict[str, str]) -> str:
    """Switch to a release on trial; why it was taken back, "" if it stays."""
    write_whole(root / TRIAL, json.dumps(before).encode())
    os.utime(root / "releases" / ask.digest)  # the most recently used ones are kept
    _set_links(root, {"current": ask.digest, "previous": before["current"]})
    try:
        why = "" if _verified(root / "current", ask.threads).ok else "it does not give its golden answers as current"
    except AgentError as error:
        why = error.message
    why = why or healthy(ask.health, ask.health_s)
    if why:
        _take_back(root)
    else:
        (root / TRIAL).unlink()
        sync(root)
    return why


def _take_back(root: Path) -> None:
    """End a trial that failed, or that somebody who was killed had begun: as it was before."""
    try:
        before = json.loads((root / TRIAL).read_bytes())
        _set_links(root, {name: _checked(before[name]) for name in LINKS})
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError, AgentError):
        pass  # not ours, or damaged: what is current gave its golden answers before it was switched to
    (root / TRIAL).unlink()
    sync(root)


def _checked(digest: str) -> str:
    """A digest or "", as links have them."""
    if digest:
        check_sha256(digest)
    return digest


def _links(root: Path) -> dict[str, str]:
    """The digests that the links name; "" for one that is not there."""
    return {name: os.readlink(root / name).rpartition("/")[2] if (root / name).is_symlink() else "" for name in LINKS}


def _set_links(root: Path, wanted: dict[str, str]) -> None:
    """Point both links, ``previous`` first: cut off in between, doing it again heals it."""
    for name in reversed(LINKS):
        if wanted[name]:
            point(root / name, Path("releases") / wanted[name])
        else:
            (root / name).unlink(missing_ok=True)
    sync(root)


def _holds(root: Path, digest: str) -> bool:
    """Whether the release is there and whole; one that lost a bit on the card counts as absent, to be mended."""
    return digest_of(root / "releases" / digest) == digest


def digest_of(folder: Path) -> str:
    """The digest of the whole bundle in a folder; "" where it is not there or damaged."""
    try:
        return open_bundle(folder).digest
    except AgentError:
        return ""


def _assemble(root: Path, digest: str, raw: bytes, manifest: Manifest) -> None:
    target = root / "releases" / digest
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(".fresh")  # ours alone under the lock; what a power cut left there goes first
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name, fact in manifest.files.items():
        _link_or_copy(root / "blobs" / fact.sha256, fresh / name)
    (fresh / MANIFEST).write_bytes(raw)
    sync(fresh / MANIFEST)
    open_bundle(fresh)  # names, sizes and sense; raises BundleDamaged
    sync(fresh)
    shutil.rmtree(target, ignore_errors=True)  # a damaged release of that name, if any
    os.rename(fresh, target)
    sync(target.parent)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links, as on memory sticks
        shutil.copyfile(source, target)
        sync(target)


def _verified(folder: Path, threads: int) -> VerifyAnswer:
    """The golden answers of a release, by a fresh process: a runtime that crashes takes only itself along."""
    return ask_afresh(VerifyAsk(str(folder), threads), VerifyAnswer)


def _remembered(root: Path, digest: str, threads: int) -> VerifyAnswer | None:
    """What verifying said before, with the same number of threads and the same runtimes; None if it did not."""
    try:
        held = json.loads((root / "verified" / f"{digest}.json").read_bytes())
        return decode(VerifyAnswer, held["answer"]) if held["by"] == _circumstances(threads) else None
    except (OSError, ValueError, KeyError, TypeError, AgentError):
        return None


def _remember(root: Path, digest: str, threads: int, said: VerifyAnswer) -> None:
    (root / "verified").mkdir(exist_ok=True)
    held = {"by": _circumstances(threads), "answer": encode(said)}
    write_whole(root / "verified" / f"{digest}.json", json.dumps(held).encode())


def _circumstances(threads: int) -> list[object]:
    return [threads, encode(available())]


def _retain(root: Path, keep: int) -> None:
    """Remove the releases that were not used for longest, and files that none of the others needs."""
    folder = root / "releases"
    used = sorted((path for path in folder.iterdir() if path.name != ".fresh"), key=lambda path: path.stat().st_mtime)
    stay = {name for name in _links(root).values() if name}
    for path in used[: -max(1, keep)]:
        if path.name not in stay:
            gone = path.with_name(".fresh")  # first by name, so that a half removed release is none
            shutil.rmtree(gone, ignore_errors=True)
            os.rename(path, gone)
            shutil.rmtree(gone, ignore_errors=True)
            (root / "verified" / f"{path.name}.json").unlink(missing_ok=True)
            (root / "signatures" / f"{path.name}.sig").unlink(missing_ok=True)
    clear(root, _needed(folder))


def _needed(folder: Path) -> set[str]:
    needed = set()
    for path in folder.glob("*/" + MANIFEST):
        try:
            manifest = read_manifest(path.read_bytes(), path)
        except AgentError:
            continue
        needed |= {fact.sha256 for fact in manifest.files.values()}
    return needed


def _answer(root: Path, state: str, digest: str, **more: object) -> ReleaseAnswer:
    links = _links(root)
    return ReleaseAnswer(
        state=state,
        facts=board.facts(root),
        path=str(root / "releases" / digest),
        current=links["current"],
        previous=links["previous"],
        files=_files(root / "current"),
        **more,  # type: ignore[arg-type]
    )


def _files(folder: Path) -> dict[str, str]:
    try:
        manifest = read_manifest((folder / MANIFEST).read_bytes(), folder)
    except (OSError, AgentError):
        return {}
    return {name: fact.sha256 for name, fact in manifest.files.items()}
