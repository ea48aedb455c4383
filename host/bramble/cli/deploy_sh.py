"""What the words of ``deploy.sh`` mean: a board and a recipe, both checked before anything is done to a board.

    python -m bramble.cli.deploy_sh [BOARD] [RECIPE]

prints the board and the recipe, a line each. Exit code 2 where a word is neither.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bramble.cli.screen import show, show_error
from bramble.errors import UsageError
from bramble.fleet.inventory import boards, nearest
from bramble.fleet.types import LOCAL
from bramble.reading import read_recipe, zoo_recipes

DEFAULT = "digits-int8"
EXIT = 2


def meant(words: Sequence[str]) -> tuple[str, str]:
    """Board and recipe of at most two words. Raises UsageError for a word that is neither, and for a bad recipe."""
    if len(words) == 2:
        board, recipe = words
        if not _is_board(board):
            raise UsageError(f"there is no board {board!r}{nearest(board, boards())}", _add(board))
    elif not words:
        board, recipe = LOCAL, DEFAULT
    elif _is_recipe(words[0]):
        board, recipe = LOCAL, words[0]
    elif _is_board(words[0]):
        board, recipe = words[0], DEFAULT
    else:
        guess = nearest(words[0], [*zoo_recipes(), *boards()])
        raise UsageError(f"{words[0]!r} is no recipe, no file and no board that you added{guess}", _add(words[0]))
    if not (Path(recipe).is_dir() or recipe.endswith(".zip")):
        read_recipe(recipe)
    return board, recipe


def _is_recipe(word: str) -> bool:
    """Whether a single word is a recipe or a bundle; a known board counts more than a file of its name."""
    named = word in zoo_recipes() or word.endswith((".toml", ".zip"))
    return named or (Path(word).exists() and word not in boards())


def _is_board(word: str) -> bool:
    return "@" in word or word in boards()


def _add(word: str) -> str:
    return f"a board's address has its user: ./deploy.sh pi@{word}; names: `bramble models`, `bramble board list`"


def main() -> None:
    """Print what the words mean, or what is wrong with them."""
    try:
        show("\n".join(meant(sys.argv[1:])))
    except UsageError as error:
        show_error(error.message, error.hint)
        sys.exit(EXIT)


if __name__ == "__main__":
    main()
