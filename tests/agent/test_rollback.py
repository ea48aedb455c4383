"""Going back to the release before: there, again, and not where it cannot be trusted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bramble_agent.errors import ModelRejected, NoRelease
from bramble_agent.release import rollback
from bramble_agent.wire_release import RollbackAsk
from bringing import linked, push
from making import bundle_digest

from .conftest import RIGHT, Make, Verifier


@pytest.fixture
def root(tmp_path: Path, make: Make, verifier: Verifier) -> Path:
    """A board with a as previous and b as current."""
    for name in "ab":
        push(tmp_path / "board", make(name))
    verifier.asked.clear()
    return tmp_path / "board"


def test_there_and_back(root: Path, verifier: Verifier) -> None:
    """A rollback swaps the two after the answers were asked for with the threads given; a second one returns."""
    b, a = linked(root)
    answer = rollback(RollbackAsk(str(root), threads=3))
    assert (answer.current, answer.previous, answer.verify) == (a, b, RIGHT)
    assert linked(root) == (a, b)
    assert verifier.asked == [(a, 3)]
    assert rollback(RollbackAsk(str(root))).current == b
    assert linked(root) == (b, a)
    assert not (root / "trial.json").exists()


def test_in_a_process_of_its_own(tmp_path: Path, make: Make) -> None:
    """The real answers of the release that comes back."""
    for name in "ab":
        push(tmp_path / "board", make(name))
    answer = rollback(RollbackAsk(str(tmp_path / "board")))
    assert (answer.current, answer.verify.ok, answer.verify.checked) == (bundle_digest(make("a")), True, 4)


def test_none_to_go_back_to(tmp_path: Path, make: Make, verifier: Verifier) -> None:
    """A board without any release, or with one only, says so."""
    for _ in range(2):
        with pytest.raises(NoRelease, match="no earlier release"):
            rollback(RollbackAsk(str(tmp_path / "board")))
        push(tmp_path / "board", make("a"))
    assert linked(tmp_path / "board") == (bundle_digest(make("a")), "")


@pytest.mark.parametrize("lost", ["", "labels.txt", "manifest.json"])
def test_damaged(lost: str, root: Path) -> None:
    """A previous release that lost a file, or all of them, is refused, and current stays."""
    before = linked(root)
    victim = root / "releases" / before[1] / lost
    shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    with pytest.raises(NoRelease, match=f"{before[1][:12]} is damaged"):
        rollback(RollbackAsk(str(root)))
    assert (root / "current").resolve().name == before[0]


def test_other_answers(root: Path, verifier: Verifier) -> None:
    """A previous release that no longer gives its answers here, or is not loaded at all, does not become current."""
    before = linked(root)
    verifier.wrong = {before[1]}
    with pytest.raises(NoRelease, match="gives other answers"):
        rollback(RollbackAsk(str(root)))
    verifier.failure = ModelRejected("the runtime died on this model", "?")
    with pytest.raises(ModelRejected):
        rollback(RollbackAsk(str(root)))
    assert linked(root) == before


def test_current_that_is_gone(root: Path) -> None:
    """Where somebody removed ``current``, the previous one becomes it, and nothing is before it."""
    _, a = linked(root)
    (root / "current").unlink()
    assert rollback(RollbackAsk(str(root))).previous == ""
    assert linked(root) == (a, "")
