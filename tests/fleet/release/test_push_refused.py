"""Boards that refuse: what cannot run, gives other answers, fails its health check, or is not signed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bramble.bundle import load_bundle
from bramble.errors import IncompatibleError, NotTrustedError
from bramble.fleet.connect import connect
from bramble.fleet.release.push import How, push
from bramble.fleet.release.signing import allow_signers, sign
from bramble.fleet.types import Board, Connection
from bramble_agent.bundle import Bundle
from bringing import linked
from making import make_bundle, make_golden
from serving import make_key

from .conftest import LOCALLY


@LOCALLY
def test_board_that_cannot_run_it(board: Board, bundle: Bundle, root: Path, tmp_path: Path) -> None:
    """A board without any package is told apart before the first byte of the bundle is sent."""
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {board.python} -I -S "$@"\n')
    bare.chmod(0o755)
    without = replace(board, python=str(bare))
    with connect(without) as connection, pytest.raises(IncompatibleError, match="no TFLite runtime") as caught:
        push(connection, without, bundle)
    assert "bramble board setup" in caught.value.hint
    assert not (root / "blobs").exists()
    assert not (root / "releases").exists()


@LOCALLY
def test_what_is_there_is_not_weighed_again(
    connection: Connection, board: Board, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that runs there is not called impossible because memory is short at this moment."""
    push(connection, board, bundle)
    monkeypatch.setattr("bramble.fleet.release.gate.RUNTIME_BYTES", 1 << 50)
    assert push(connection, board, bundle).state == "current"
    with pytest.raises(IncompatibleError, match="of memory or more"):
        push(
            connection,
            board,
            load_bundle(make_bundle(Path(board.root).parent / "more", name="more", labels=b"1\n2\n3\n")),
        )


@LOCALLY
def test_answers_that_differ(connection: Connection, board: Board, bundle: Bundle, tmp_path: Path, root: Path) -> None:
    """Other answers than the bundle's are a result, not an error: it is there and not switched to."""
    golden = make_golden()
    golden["output_0"][2, 1] += 5
    off = load_bundle(make_bundle(tmp_path / "off", arrays=golden))
    push(connection, board, bundle)
    pushed = push(connection, board, off)
    assert (pushed.state, pushed.verify.ok, pushed.verify.max_lsb) == ("refused", False, 5)
    assert Path(pushed.release).is_dir()
    assert linked(root) == (bundle.digest, "")


@LOCALLY
def test_unhealthy(connection: Connection, board: Board, bundle: Bundle, other: Bundle, root: Path) -> None:
    """A health check that fails takes the release back, and its last words are told."""
    push(connection, board, bundle)
    pushed = push(connection, board, other, How(health=("sh", "-c", "echo 'no \"frames\" $HOME' >&2; exit 3")))
    assert (pushed.state, pushed.current) == ("rolled-back", bundle.digest)
    assert pushed.detail == "the health check 'sh' says 3: no \"frames\" $HOME"
    assert linked(root) == (bundle.digest, "")


@LOCALLY
def test_signed_bundles_only(connection: Connection, board: Board, bundle: Bundle, root: Path, tmp_path: Path) -> None:
    """A board with allowed signers takes the bundle with a signature of theirs, and nothing before."""
    mine, yours = (make_key(tmp_path / name) for name in ("mine", "yours"))
    public = " ".join(mine.with_suffix(".pub").read_text().split()[:2])
    (tmp_path / "signers").write_text(f"me {public}\n")
    allow_signers(connection, board, tmp_path / "signers")
    manifest = bundle.read("manifest.json")
    for signature in ("", sign(manifest, yours), sign(manifest + b" ", mine)):
        with pytest.raises(NotTrustedError, match=f"^{board.name}: ") as caught:
            push(connection, board, bundle, How(signature=signature))
        assert caught.value.exit_code == 5
    assert not (root / "blobs").exists()
    assert push(connection, board, bundle, How(signature=sign(manifest, mine))).state == "current"
