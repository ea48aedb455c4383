"""Releases on a board: made of whole files, checked by their answers, switched by one rename, taken back if they fail.

    <root>/blobs/…                files by sha256 (``store``)
    <root>/releases/<digest>/     bundles; their files are hard links into the store where the file system has them
    <root>/current, previous      symbolic links into releases (``links``)

Whatever happens in between (power cut, kill, full disk), ``current`` points at a whole release that gave its golden
answers here, or does not exist. A trial that was cut off is taken back by whoever comes next; a link that goes down
while one lasts does not cut it off.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from io import BufferedIOBase
from pathlib import Path

from . import board
from .bundle import LIMIT_BYTES, MANIFEST, open_bundle, read_manifest
from .errors import AgentError, BadRequest, BundleDamaged, NoRelease
from .files import SHA256, check_sha256, discard, storing, sync
from .health import healthy
from .links import begin_trial, links, settle, take_back
from .locking import locked
from .oneself import ask_afresh, one_process, unbroken
from .remembered import remember, remembered
from .retention import FRESH, retain
from .signature import check_signature
from .store import missing, take, unfinished
from .wire import Manifest, VerifyAnswer, VerifyAsk
from .wire_release import ReleaseAnswer, ReleaseAsk, RollbackAnswer, RollbackAsk, TakeAsk

MOST_HEALTH_S = 3_600.0


def release(ask: ReleaseAsk, stdin: BufferedIOBase | None = None) -> ReleaseAnswer:
    """Make a release of files that are in the store or come on ``stdin``, check its answers, switch to it if asked to.

    Raises BundleDamaged for a manifest that makes no bundle, NotTrusted, StorageFailed, Busy, BadRequest where the
    manifest is not the one that ``ask.digest`` names, and what taking files and verifying raise.
    """
    raw = ask.manifest.encode(errors="replace")
    _check(ask, raw)
    root = Path(ask.root).expanduser().absolute()
    manifest = read_manifest(raw, root / MANIFEST)
    _check_files(manifest)
    if ask.pieces and stdin is not None:
        take(TakeAsk(ask.root, {}, ask.pieces), stdin)
    with storing(root), locked(root), one_process():
        take_back(root)
        check_signature(root, raw, ask.signature)
        if not _holds(root, ask.digest):
            absent = missing(root, {fact.sha256: fact.size_bytes for fact in manifest.files.values()})
            if absent:
                return _missing(root, ask.digest, absent)
            _assemble(root, ask.digest, raw, manifest)
        answer = _tried(root, ask)
        retain(root, ask.keep, ask.digest)
        return answer


def rollback(ask: RollbackAsk) -> RollbackAnswer:
    """Swap current and previous; the one that becomes current must be whole and give its golden answers.

    Where a switch was cut off in its trial, that is what is taken back. Raises NoRelease where there is no other
    release, or it cannot be trusted; nothing is changed then.
    """
    root = Path(ask.root).expanduser().absolute()
    with storing(root), locked(root):
        taken_back = take_back(root)
        before = links(root)
        wanted = before["current"] if taken_back else before["previous"]
        if not wanted or (wanted == before["current"] and not taken_back):
            raise NoRelease("there is no earlier release to go back to", "push the bundle you want")
        if not _holds(root, wanted):
            raise NoRelease(f"the earlier release {wanted[:12]} is damaged", "push the bundle you want")
        check_signature(root, (root / "releases" / wanted / MANIFEST).read_bytes(), "")
        said = _verified(root / "releases" / wanted, ask.threads)
        if not said.ok:
            raise NoRelease(
                f"the earlier release {wanted[:12]} gives other answers than its own", "push another bundle"
            )
        if not taken_back:
            with unbroken:
                begin_trial(root, {"current": wanted, "previous": before["current"]})
                settle(root)
        after = links(root)
        return RollbackAnswer(after["current"], after["previous"], said)


def _check(ask: ReleaseAsk, raw: bytes) -> None:
    check_sha256(ask.digest)
    if hashlib.sha256(raw).hexdigest() != ask.digest:
        raise BadRequest("the manifest is not the one that the digest names", "push again")
    if not 0 <= ask.health_s <= MOST_HEALTH_S:
        raise BadRequest(f"{ask.health_s:g} s of watching a service", f"ask for 0 to {MOST_HEALTH_S:g}")
    if ask.health and (not ask.health[0] or "\0" in "".join(ask.health)):
        raise BadRequest("the health check is no command", "give a program and its arguments")


def _check_files(manifest: Manifest) -> None:
    """Names and digests become paths: only those of a bundle's own files are taken."""
    wanted = set(LIMIT_BYTES) - {MANIFEST}
    if set(manifest.files) != wanted:
        odd = sorted(set(manifest.files) ^ wanted)[0]
        raise BundleDamaged(f"the manifest lists {odd!r}, or lacks it", "build the bundle again")
    for fact in manifest.files.values():
        check_sha256(fact.sha256)


def _tried(root: Path, ask: ReleaseAsk) -> ReleaseAnswer:
    """Verify a whole release; switch to it if asked to and stay there only if it is well."""
    folder = root / "releases" / ask.digest
    said = None if ask.again else remembered(root, ask.digest, ask.threads)
    if said is None:
        said = _verified(folder, ask.threads)
    if not said.ok:
        return _answer(root, "refused", ask.digest, said)
    remember(root, ask.digest, ask.threads, said)
    if links(root)["current"] == ask.digest:
        return _answer(root, "current" if ask.switch else "ready", ask.digest, said)
    os.utime(folder)  # the most recently used ones are kept
    if not ask.switch:
        return _answer(root, "ready", ask.digest, said)
    with unbroken:
        why = _switched(root, ask)
    return _answer(root, "rolled-back" if why else "current", ask.digest, said, why)


def _switched(root: Path, ask: ReleaseAsk) -> str:
    """Switch to a release on trial; why it was taken back, "" if it stays."""
    stays = False
    begin_trial(root, {"current": ask.digest, "previous": links(root)["current"]})
    try:
        why = _differs(root, ask.threads) or healthy(ask.health, ask.health_s)
        stays = not why
    finally:
        if stays:
            settle(root)
        else:
            take_back(root)
    return why


def _differs(root: Path, threads: int) -> str:
    """Why the release is not well where it is served from, "" if it is."""
    try:
        return "" if _verified(root / "current", threads).ok else "it does not give its golden answers as current"
    except AgentError as error:
        return error.message


def _holds(root: Path, digest: str) -> bool:
    """Whether the release is there and whole; one that lost a bit on the card counts as absent, to be mended."""
    try:
        return open_bundle(root / "releases" / digest).digest == digest
    except AgentError:
        return False


def _assemble(root: Path, digest: str, raw: bytes, manifest: Manifest) -> None:
    """Make the folder of a release in one step; one that is damaged is mended file by file, each in one step."""
    target = root / "releases" / digest
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(FRESH)  # ours alone under the lock; what a power cut left there goes first
    discard(fresh)
    fresh.mkdir()
    for name, fact in manifest.files.items():
        _link_or_copy(root / "blobs" / fact.sha256, fresh / name)
    (fresh / MANIFEST).write_bytes(raw)
    sync(fresh / MANIFEST)
    open_bundle(fresh)  # names, sizes and sense; raises BundleDamaged
    sync(fresh)
    if target.is_dir() and not target.is_symlink():
        for path in fresh.iterdir():
            if (target / path.name).is_dir():
                discard(target / path.name)
            os.replace(path, target / path.name)
        sync(target)
        discard(fresh)
    else:
        discard(target)
        os.rename(fresh, target)
    sync(target.parent)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links, as on memory sticks
        shutil.copyfile(source, target)
        sync(target)


def _verified(folder: Path, threads: int) -> VerifyAnswer:
    """The golden answers of a release, by another process: a runtime that crashes takes only itself along."""
    return ask_afresh(VerifyAsk(str(folder), threads), VerifyAnswer)


def _answer(root: Path, state: str, digest: str, said: VerifyAnswer, detail: str = "") -> ReleaseAnswer:
    path, now = str(root / "releases" / digest), links(root)
    return ReleaseAnswer(state, board.facts(root), path, now["current"], now["previous"], detail, verify=said)


def _missing(root: Path, digest: str, absent: list[str]) -> ReleaseAnswer:
    now = links(root)
    return ReleaseAnswer(
        state="missing",
        facts=board.facts(root),
        path=str(root / "releases" / digest),
        current=now["current"],
        previous=now["previous"],
        missing=tuple(absent),
        parts=unfinished(root),
        files=_bases(root),
    )


def _bases(root: Path) -> dict[str, str]:
    """The current release's files (name → sha256) that are whole in the store, so that a changed one can be patched."""
    folder = root / "current"
    try:
        facts = read_manifest((folder / MANIFEST).read_bytes(), folder).files
    except (OSError, AgentError):
        return {}
    if any(not SHA256.fullmatch(fact.sha256) for fact in facts.values()):
        return {}
    absent = missing(root, {fact.sha256: fact.size_bytes for fact in facts.values()})
    return {name: fact.sha256 for name, fact in facts.items() if fact.sha256 not in absent}
