"""Signed bundles, with the real ssh-keygen: only a key this board trusts, for this purpose, for this very manifest."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bramble_agent import signature
from bramble_agent.errors import NotTrusted
from bramble_agent.signature import NAMESPACE, check_signature

MANIFEST = '{"name": "größer"}\n'.encode()

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen: apt install openssh-client")


def make_key(path: Path) -> Path:
    """A key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
    return path


def sign(key: Path, manifest: bytes = MANIFEST, namespace: str = NAMESPACE) -> str:
    """What ``ssh-keygen -Y sign`` says of a manifest."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace]
    return subprocess.run(command, input=manifest, check=True, capture_output=True).stdout.decode()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two key pairs."""
    folder = tmp_path_factory.mktemp("keys")
    return make_key(folder / "mine"), make_key(folder / "yours")


def trust(root: Path, key: Path, who: str = "me@lab", options: str = "") -> None:
    """Add a key to a board's list."""
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    with (root / "allowed_signers").open("a") as file:
        file.write(f"{who} {options}{public}\n")


def test_board_that_asks_for_none(tmp_path: Path) -> None:
    """Without a list nothing is asked, of signed and unsigned bundles."""
    assert check_signature(tmp_path, MANIFEST, "") == ""
    assert check_signature(tmp_path, MANIFEST, "whatever") == ""


def test_signed(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """Each of those on the list is taken by name."""
    for key, who in zip(keys, ("me@lab", "you@lab"), strict=True):
        trust(tmp_path, key, who)
    assert [check_signature(tmp_path, MANIFEST, sign(key)) for key in keys] == ["me@lab", "you@lab"]


@pytest.mark.parametrize("who", ["me@lab,me@home", "*@lab", "!you@lab,*@lab"])
def test_patterns_of_names(who: str, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """A line may name several, or a pattern."""
    trust(tmp_path, keys[0], who)
    assert check_signature(tmp_path, MANIFEST, sign(keys[0])) != ""


def test_list_as_older_ones_print_it(tmp_path: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSH before 8.9 prints the names of a line as they stand there, in one line; the first is verified."""
    trust(tmp_path, keys[0], "me@lab,me@home")
    real = signature._ssh_keygen
    asked = []

    def older(words: list[str], manifest: bytes) -> str:
        asked.append(words)
        told = real(words, manifest)
        return told.strip().replace("\n", ",") + "\n" if words[0] == "find-principals" else told

    monkeypatch.setattr(signature, "_ssh_keygen", older)
    assert check_signature(tmp_path, MANIFEST, sign(keys[0])) == "me@lab"
    assert asked[1][-1] == "me@lab"


def test_kept(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """A good signature need not be brought again, and is written once; it counts for its manifest and its key alone."""
    trust(tmp_path, keys[0])
    said = sign(keys[0])
    check_signature(tmp_path, MANIFEST, said)
    (kept,) = (tmp_path / "signatures").iterdir()
    before = (kept.stat().st_ino, kept.stat().st_mtime_ns)
    assert check_signature(tmp_path, MANIFEST, "") == check_signature(tmp_path, MANIFEST, said) == "me@lab"
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == before
    with pytest.raises(NotTrusted, match="signed bundles only"):
        check_signature(tmp_path, MANIFEST + b" ", "")
    with pytest.raises(NotTrusted, match="not one this board trusts"):
        check_signature(tmp_path, MANIFEST, sign(keys[1]))
    (tmp_path / "allowed_signers").unlink()
    trust(tmp_path, keys[1])
    with pytest.raises(NotTrusted, match="not one this board trusts"):
        check_signature(tmp_path, MANIFEST, "")
    check_signature(tmp_path, MANIFEST, sign(keys[1]))
    assert check_signature(tmp_path, MANIFEST, "") == "me@lab"


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"-----BEGIN SSH SIGNATURE-----"])
def test_kept_and_damaged(damage: bytes, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """A kept signature that rotted is none; brought again it is good, and kept again."""
    trust(tmp_path, keys[0])
    check_signature(tmp_path, MANIFEST, sign(keys[0]))
    (kept,) = (tmp_path / "signatures").iterdir()
    kept.write_bytes(damage)
    with pytest.raises(NotTrusted):
        check_signature(tmp_path, MANIFEST, "")
    check_signature(tmp_path, MANIFEST, sign(keys[0]))
    assert check_signature(tmp_path, MANIFEST, "") == "me@lab"


def test_unsigned(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """A board with a list takes nothing unsigned, and says how to sign."""
    trust(tmp_path, keys[0])
    with pytest.raises(NotTrusted, match="signed bundles only") as caught:
        check_signature(tmp_path, MANIFEST, "")
    assert "--sign" in caught.value.hint


def test_wrong_key(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """A good signature of somebody else."""
    trust(tmp_path, keys[0])
    with pytest.raises(NotTrusted, match="not one this board trusts") as caught:
        check_signature(tmp_path, MANIFEST, sign(keys[1]))
    assert "allowed_signers" in caught.value.hint


def test_wrong_namespace(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """A signature that was made for something else, as a commit, is none; nor one of a key for other purposes."""
    trust(tmp_path, keys[0])
    with pytest.raises(NotTrusted, match="not one this board trusts"):
        check_signature(tmp_path, MANIFEST, sign(keys[0], namespace="git"))
    trust(tmp_path, keys[1], "you@lab", 'namespaces="git" ')
    with pytest.raises(NotTrusted, match="namespace"):
        check_signature(tmp_path, MANIFEST, sign(keys[1]))


@pytest.mark.parametrize("changed", [b"", MANIFEST[:-1], MANIFEST + b" ", MANIFEST.replace(b"name", b"Name")])
def test_altered_manifest(changed: bytes, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """The signature of another manifest."""
    trust(tmp_path, keys[0])
    with pytest.raises(NotTrusted, match="not one this board trusts"):
        check_signature(tmp_path, changed, sign(keys[0]))


def test_key_whose_time_is_over(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """A key that was trusted until 2020."""
    trust(tmp_path, keys[0], options='valid-before="20200101" ')
    with pytest.raises(NotTrusted, match="not one this board trusts"):
        check_signature(tmp_path, MANIFEST, sign(keys[0]))


@pytest.mark.parametrize("said", ["x", "\ud800", "-----BEGIN SSH SIGNATURE-----\n", "\0", "ü" * 10_000])
def test_signature_that_is_none(said: str, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """Whatever else comes as a signature."""
    trust(tmp_path, keys[0])
    with pytest.raises(NotTrusted, match="not one this board trusts"):
        check_signature(tmp_path, MANIFEST, said)


@pytest.mark.parametrize("lost", ["empty", "noise", "folder", "dangling"])
def test_list_that_is_none(lost: str, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """A list that is empty, damaged, or leads nowhere trusts nobody, not everybody."""
    place = tmp_path / "allowed_signers"
    if lost == "folder":
        place.mkdir()
    elif lost == "dangling":
        place.symlink_to("/nowhere")
    else:
        place.write_bytes(b"" if lost == "empty" else bytes(range(256)))
    for said in ("", sign(keys[0])):
        with pytest.raises(NotTrusted):
            check_signature(tmp_path, MANIFEST, said)


def test_no_ssh_keygen(tmp_path: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that asks for signatures and cannot check them says what to install."""
    trust(tmp_path, keys[0])
    said = sign(keys[0])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotTrusted, match="no ssh-keygen") as caught:
        check_signature(tmp_path, MANIFEST, said)
    assert "apt install" in caught.value.hint


def test_ssh_keygen_that_hangs(tmp_path: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end."""
    trust(tmp_path, keys[0])
    (tmp_path / "ssh-keygen").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(signature, "PATIENCE_S", 0.2)
    with pytest.raises(NotTrusted, match="did not answer"):
        check_signature(tmp_path, MANIFEST, "x")
