"""The words of deploy.sh: what is a board, what a recipe, and what is neither."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bramble.cli.deploy_sh import meant
from bramble.errors import UsageError
from bramble.fleet.inventory import save_board
from bramble.fleet.types import Board
from bramble.reading import zoo_recipes
from running import environment


@pytest.fixture(autouse=True)
def pi(work: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board ``pi`` that is known, a recipe ``my.toml`` in the folder where one stands."""
    monkeypatch.chdir(work)
    save_board(Board("pi", "10.0.0.7", "pi", host_key="ssh-ed25519 AAAA"))
    shutil.copy(zoo_recipes()["digits-int8"], work / "my.toml")
    (work / "run").mkdir()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ("local", "digits-int8")),
        (["lenet5-int8"], ("local", "lenet5-int8")),
        (["my.toml"], ("local", "my.toml")),
        (["run"], ("local", "run")),
        (["pi"], ("pi", "digits-int8")),
        (["local"], ("local", "digits-int8")),
        (["pi@raspberrypi.local"], ("pi@raspberrypi.local", "digits-int8")),
        (["pi", "lenet5-int8"], ("pi", "lenet5-int8")),
        (["pi@10.0.0.7:2222", "my.toml"], ("pi@10.0.0.7:2222", "my.toml")),
        (["pi", "run"], ("pi", "run")),
    ],
)
def test_words(words: list[str], told: tuple[str, str]) -> None:
    """Recipes, files, boards that are known, and addresses are told apart."""
    assert meant(words) == told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["raspberrypi.local"], "'raspberrypi.local' is no recipe, no file and no board"),
        (["10.0.0.9"], "'10.0.0.9' is no recipe"),
        (["10.0.0.9", "digits-int8"], "there is no board '10.0.0.9'"),
    ],
)
def test_address_without_a_user(words: list[str], said: str) -> None:
    """A bare host name or number is answered with the address that is meant."""
    with pytest.raises(UsageError, match=said) as caught:
        meant(words)
    assert f"./deploy.sh pi@{words[0]}" in caught.value.hint


@pytest.mark.parametrize("words", [["pi", "digits-int7"], ["digits-int7"], ["pi@10.0.0.7", "digits-int7"]])
def test_recipe_is_checked_first(words: list[str]) -> None:
    """A recipe that is not there is told, with the nearest, before a board is set up."""
    with pytest.raises(UsageError, match=r"digits-int7.*did you mean 'digits-int8'"):
        meant(words)


def test_command(work: Path) -> None:
    """The script gets two lines, or one message and exit code 2."""
    command = [sys.executable, "-m", "bramble.cli.deploy_sh"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        line = [*command, *words]
        return subprocess.run(line, cwd=work, env=environment(), capture_output=True, text=True, check=False)

    done = run("pi")
    assert (done.returncode, done.stdout) == (0, "pi\ndigits-int8\n")
    done = run("pi", "digits-int7")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bramble: there is no recipe 'digits-int7'")
