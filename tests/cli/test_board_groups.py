"""``bramble board tag`` and ``group`` as a person runs them, and what a verb says of boards that nobody knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bramble.fleet.inventory import find_board, groups, save_board
from bramble.fleet.types import Board
from making import make_bundle
from running import bramble

from .conftest import Failed


@pytest.fixture(autouse=True)
def boards(home: Path) -> None:
    """Two boards that nobody calls."""
    for name in ("pi1", "cam"):
        save_board(Board(name, "192.0.2.7", "pi"))


@pytest.mark.slow
def test_tags(work: Path) -> None:
    """A board is tagged, the list shows it in table and JSON, and a tag is taken away again."""
    assert bramble("board", "tag", "pi1", "kitchen", "pi4", cwd=work).stdout == "pi1: kitchen pi4\n"
    table = bramble("board", "list", cwd=work).stdout.splitlines()
    assert table[0].split()[-1] == "tags"
    assert table[2].split()[-2:] == ["kitchen", "pi4"]
    assert json.loads(bramble("board", "list", "--json", cwd=work).stdout)["pi1"]["tags"] == ["kitchen", "pi4"]
    assert bramble("board", "tag", "pi1", "kitchen", "pi4", "--remove", cwd=work).stdout == "pi1: no tags\n"
    assert find_board("pi1").tags == ()


@pytest.mark.slow
def test_groups(work: Path) -> None:
    """A group is made of boards and tags, shown with the boards that it means, and forgotten."""
    bramble("board", "tag", "cam", "roof", cwd=work)
    made = bramble("board", "group", "garden", "pi1", "tag:roof", cwd=work)
    assert made.stdout == "@garden: pi1 cam  (pi1 tag:roof)\n"
    assert bramble("board", "group", "one", "pi1", cwd=work).stdout == "@one: pi1\n"
    told = json.loads(bramble("board", "group", "--json", cwd=work).stdout)
    assert told["garden"] == {"members": ["pi1", "tag:roof"], "boards": ["pi1", "cam"]}
    assert list(told) == ["garden", "one"]
    assert bramble("board", "group", "garden", "--remove", cwd=work).stdout == "forgot @garden; its boards stay\n"
    assert list(groups()) == ["one"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["board", "group", "garden", "pi2"], "there is no board 'pi2'; did you mean 'pi1'?"),
        (["board", "group", "garden", "pi1", "@garden"], "'@garden' holds itself"),
        (["board", "group", "garden"], "there is no group '@garden'"),
        (["board", "group", "a b", "pi1"], "'a b' cannot be a group's name"),
        (["board", "group", "garden", "pi1", "--remove"], "--remove forgets a whole group"),
        (["board", "tag", "pi1", "Kitchen"], "'Kitchen' cannot be a tag's name"),
        (["push", "bundle", "@garden"], "there is no group '@garden'"),
        (["verify", "bundle", "pi1", "tag:roof"], "no board has the tag 'roof'"),
        (["bench", "bundle", "@"], "there is no group '@'"),
    ],
)
def test_what_cannot_be(work: Path, failed: Failed, words: list[str], said: str) -> None:
    """What is wrong is told before anything is written or anyone called; exit code 2."""
    make_bundle(work / "bundle")
    assert said in failed(bramble(*words, cwd=work), 2)
    assert groups() == {}
