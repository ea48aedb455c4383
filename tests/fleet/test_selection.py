"""Tags and groups in boards.toml, and which boards the words of a command mean."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bramble.errors import UsageError
from bramble.fleet.inventory import boards, find_board, groups, remove_board, save_board, save_group, tag_board
from bramble.fleet.selection import select, selectors
from bramble.fleet.types import Board

FLEET = """\
[boards.pi1]
host = "a"
tags = ["kitchen", "pi4"]  # the oldest
[boards.pi2]
host = "b"
tags = ["pi4"]
[boards.cam]
host = "c"
[groups]
garden = ["cam", "tag:pi4"]
house = ["@garden", "pi1", "local"]
lost = ["pi1", "pi9"]
loop = ["pi1", "@knot"]
knot = ["@loop"]
bare = []
"""


@pytest.fixture
def file(home: Path) -> Path:
    """A boards.toml with three boards, two tags and some groups, of which half are broken."""
    home.mkdir()
    path = home / "boards.toml"
    path.write_text(FLEET)
    return path


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("pi2", "pi2"),
        ("pi2 pi1 pi2", "pi2 pi1"),
        ("tag:pi4", "pi1 pi2"),
        ("tag:kitchen", "pi1"),
        ("cam tag:pi4 pi1", "cam pi1 pi2"),
        ("@garden", "cam pi1 pi2"),
        ("pi2 @garden", "pi2 cam pi1"),
        ("@house", "cam pi1 pi2 local"),
        ("all", "pi1 pi2 cam"),
        ("local all", "local pi1 pi2 cam"),
    ],
)
def test_words_mean_boards(file: Path, words: str, names: str) -> None:
    """Names, tags, groups, groups in groups, and all; each board once, where it was named first."""
    assert " ".join(board.name for board in select(words.split())) == names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pi3", "there is no board 'pi3'; did you mean 'pi"),
        ("garden", "there is no board 'garden'; did you mean '@garden'?"),
        ("kitchen", "there is no board 'kitchen'; did you mean 'tag:kitchen'?"),
        ("@gardn", "there is no group '@gardn'; did you mean '@garden'?"),
        ("@", "there is no group '@'"),
        ("tag:kitchn", "no board has the tag 'kitchn'; did you mean 'tag:kitchen'?"),
        ("tag:", "no board has the tag ''"),
        ("@lost", "in the group '@lost': there is no board 'pi9'; did you mean 'pi"),
        ("@loop", "in the group '@loop': in the group '@knot': '@loop' holds itself"),
        ("@bare", "the group '@bare' is empty"),
        ("", "no board is named"),
    ],
)
def test_words_that_mean_nothing(file: Path, words: str, said: str) -> None:
    """What is unknown is told with the nearest and the group it stands in; nothing is no selection; exit code 2."""
    with pytest.raises(UsageError) as caught:
        select(words.split())
    assert said in caught.value.message
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_all_of_none() -> None:
    """Where no board was added, ``all`` is an error that says how to add one: this machine is not meant."""
    with pytest.raises(UsageError, match="no board but this machine") as caught:
        select(["all"])
    assert "bramble board add" in caught.value.hint


def test_selectors_for_the_shell(file: Path) -> None:
    """The shell completes all, each group and each tag."""
    told = "all @garden @house @lost @loop @knot @bare tag:kitchen tag:pi4"
    assert selectors() == told.split()


def test_tags_survive_the_file(file: Path) -> None:
    """Tags are added once and taken away, comments stay, and a board without tags has no line for them."""
    assert tag_board("cam", ["new", "pi4", "new"]).tags == ("new", "pi4")
    assert tag_board("pi2", ["pi4", "roof"]).tags == ("pi4", "roof")
    assert tag_board("pi1", ["kitchen", "pi4"], remove=True).tags == ()
    assert {name: board.tags for name, board in boards().items()} == {
        "local": (),
        "pi1": (),
        "pi2": ("pi4", "roof"),
        "cam": ("new", "pi4"),
    }
    assert "tags" not in tomllib.loads(file.read_text())["boards"]["pi1"]
    save_board(find_board("cam"))
    assert find_board("cam").tags == ("new", "pi4")


def test_tags_of_tables_that_stand_apart(home: Path) -> None:
    """A board whose table stands behind another one is tagged all the same."""
    home.mkdir()
    (home / "boards.toml").write_text('[boards.a]\nhost = "a"\n[mine]\nnote = 1\n[boards.b]\nhost = "b"\n')
    tag_board("a", ["x"])
    tag_board("b", ["y"])
    tag_board("a", ["x"], remove=True)
    assert {name: board.tags for name, board in boards().items()} == {"local": (), "a": (), "b": ("y",)}
    assert tomllib.loads((home / "boards.toml").read_text())["mine"] == {"note": 1}


@pytest.mark.parametrize(
    ("board", "tag", "remove", "said"),
    [
        ("pi1", "Kitchen", False, "'Kitchen' cannot be a tag's name"),
        ("pi1", "a b", False, "cannot be a tag's name"),
        ("pi9", "x", False, "there is no board 'pi9'"),
        ("local", "x", False, "this machine and has no tags"),
        ("pi1", "kitchn", True, "pi1 has no tag 'kitchn'; did you mean 'kitchen'?"),
    ],
)
def test_tags_that_cannot_be(file: Path, board: str, tag: str, remove: bool, said: str) -> None:
    """A tag that is none, or not there, is refused and the file stays."""
    with pytest.raises(UsageError) as caught:
        tag_board(board, [tag], remove)
    assert said in caught.value.message
    assert file.read_text() == FLEET


def test_groups_survive_the_file(file: Path) -> None:
    """A group is made, replaced and forgotten; the others stay as they are written."""
    save_group("roof", ["pi2", "tag:kitchen"])
    assert [board.name for board in select(["@roof"])] == ["pi2", "pi1"]
    save_group("roof", ["cam"])
    assert groups()["roof"] == ("cam",)
    save_group("roof", [])
    assert tomllib.loads(file.read_text()) == tomllib.loads(FLEET)
    with pytest.raises(UsageError, match="there is no group '@roof'"):
        save_group("roof", [])


def test_first_group() -> None:
    """A file without groups takes one."""
    save_board(Board("pi", "a"))
    save_group("one", ["pi"])
    assert [board.name for board in select(["@one"])] == ["pi"]
    save_board(Board("cam", "b"))
    assert list(boards()) == ["local", "pi", "cam"]


def test_a_removed_board_leaves_its_groups(file: Path) -> None:
    """A forgotten board is in no group any more, and a group that held nothing else is forgotten with it."""
    save_group("one", ["cam"])
    remove_board("cam")
    assert "one" not in groups()
    assert groups()["garden"] == ("tag:pi4",)
    assert [board.name for board in select(["@garden"])] == ["pi1", "pi2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[groups]\ngarden = 3\n", "groups.garden = 3 is not a list of words"),
        ('[groups]\ngarden = "pi1"\n', "groups.garden = 'pi1' is not a list of words"),
        ("[groups]\ngarden = [1]\n", "groups.garden = [1] is not a list of words"),
        ('[groups]\n"my garden" = ["pi1"]\n', "groups.'my garden' cannot be a group's name"),
        ("[groups]\nall = []\n", "groups.'all' cannot be a group's name"),
        ("[groups\n", "cannot be read"),
    ],
)
def test_broken_groups(home: Path, text: str, said: str) -> None:
    """What is wrong with a group is told with the file and the place."""
    home.mkdir()
    (home / "boards.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        groups()
    assert f"{home / 'boards.toml'}" in caught.value.message
    assert said in caught.value.message
