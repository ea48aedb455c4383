"""``rollback``, ``board signers``, and the options of ``push`` that say what a release must pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from making import bundle_digest, make_bundle
from running import bramble
from serving import make_key


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """Two bundles on this machine, the second one current; their digests."""
    digests = []
    for name in ("first", "second"):
        folder = make_bundle(tmp_path / name, name=name)
        assert bramble("push", name, cwd=tmp_path).returncode == 0
        digests.append(bundle_digest(folder))
    return digests[0], digests[1]


def current(home: Path) -> str:
    """The digest that is current on this machine."""
    return (home / "local-board" / "current").resolve().name


def test_rollback_and_back(two: tuple[str, str], tmp_path: Path, home: Path) -> None:
    """The first is current again; a second rollback returns to the second, told as JSON."""
    done = bramble("rollback", cwd=tmp_path)
    assert done.returncode == 0
    assert f"release {two[0][:12]} is current again" in done.stdout
    assert current(home) == two[0]
    told = json.loads(bramble("rollback", "--json", cwd=tmp_path).stdout)
    assert (told["local"]["current"], told["local"]["previous"]) == (two[1], two[0])
    assert told["local"]["verify"]["ok"] is True
    assert current(home) == two[1]


@pytest.mark.slow
def test_rollback_of_several(two: tuple[str, str], tmp_path: Path, home: Path) -> None:
    """Several words make a table with one line a board; one without an earlier release is told and is exit code 2."""
    done = bramble("rollback", "local", "local", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "current again" in done.stdout
    assert current(home) == two[0]
    (home / "local-board" / "previous").unlink()
    alone = bramble("rollback", "local", "local", "--json", cwd=tmp_path)
    assert alone.returncode == 2
    assert "no earlier release" in json.loads(alone.stdout)["local"]["error"]["message"]


def test_nothing_to_go_back_to(tmp_path: Path) -> None:
    """A board without releases says so; exit code 2 and what to do."""
    done = bramble("rollback", cwd=tmp_path)
    assert done.returncode == 2
    assert "no earlier release" in done.stderr
    assert "→" in done.stderr


@pytest.mark.slow
def test_failing_health_rolls_back(two: tuple[str, str], tmp_path: Path, home: Path) -> None:
    """A release that the check does not like is taken back: exit code 7, and the reason."""
    done = bramble(
        "push", "first", "--health", "sh -c 'echo camera is gone; exit 3'", "--health-window", "0.3", cwd=tmp_path
    )
    assert done.returncode == 7
    assert "camera is gone" in done.stderr
    assert f"release {two[1][:12]} is current again" in done.stderr
    assert current(home) == two[1]


@pytest.mark.slow
def test_health_that_is_well(two: tuple[str, str], tmp_path: Path, home: Path) -> None:
    """A check that succeeds lets the release stay."""
    done = bramble("push", "first", "--health", "true", "--health-window", "0.3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert current(home) == two[0]


@pytest.mark.slow
def test_keep_one(two: tuple[str, str], tmp_path: Path, home: Path) -> None:
    """With --keep 1 the current and the previous release stay, older ones go."""
    make_bundle(tmp_path / "third", name="third")
    assert bramble("push", "third", "--keep", "1", cwd=tmp_path).returncode == 0
    left = {path.name for path in (home / "local-board" / "releases").iterdir()}
    assert left == {two[1], current(home)}


@pytest.mark.slow
def test_signed_bundles_only(two: tuple[str, str], tmp_path: Path, home: Path) -> None:
    """A board with signers refuses what is unsigned or signed by others (exit code 5), and takes what they signed."""
    good, bad = make_key(tmp_path / "good"), make_key(tmp_path / "bad")
    kind, blob = good.with_suffix(".pub").read_text().split()[:2]
    (tmp_path / "allowed").write_text(f'me@here namespaces="bramble-bundle" {kind} {blob}\n')
    done = bramble("board", "signers", "local", "allowed", cwd=tmp_path)
    assert "bundles of 1 signer only" in done.stdout
    for options in ([], ["--sign", bad]):
        refused = bramble("push", "first", *options, cwd=tmp_path)
        assert refused.returncode == 5
        assert "sign" in refused.stderr
        assert current(home) == two[1]
    assert bramble("push", "first", "--sign", good, cwd=tmp_path).returncode == 0
    assert current(home) == two[0]
    assert bramble("verify", "first", cwd=tmp_path).returncode == 0  # what was signed once need not be again
    assert bramble("board", "signers", "local", "--remove", cwd=tmp_path).returncode == 0
    assert bramble("push", "second", cwd=tmp_path).returncode == 0


@pytest.mark.slow
def test_signers_that_are_none(tmp_path: Path) -> None:
    """A file of something else, no file, and a key that cannot sign are usage errors; nothing is changed."""
    (tmp_path / "odd").write_text("hello\n")
    make_bundle(tmp_path / "first")
    for words in (
        ("board", "signers", "local", "odd"),
        ("board", "signers", "local", "gone"),
        ("board", "signers", "local"),
        ("push", "first", "--sign", "odd"),
    ):
        done = bramble(*words, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "→" in done.stderr
    assert bramble("push", "first", cwd=tmp_path).returncode == 0
