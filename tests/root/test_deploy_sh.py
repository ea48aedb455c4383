"""deploy.sh: its help, its refusals, and what shellcheck says; the whole job is in tests/end_to_end."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy.sh"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run deploy.sh to its end."""
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_explains_both_ways() -> None:
    """--help names this machine's way and a real board's."""
    done = run("--help")
    assert done.returncode == 0
    assert "./deploy.sh pi@raspberrypi.local" in done.stdout
    assert "digits-int8" in done.stdout


@pytest.mark.parametrize("arguments", [["--frobnicate"], ["pi@host", "recipe", "more"], ["a", "b", "c"]])
def test_wrong_use_is_refused(arguments: list[str]) -> None:
    """Unknown options and too many arguments show the usage and exit 2 before anything is installed."""
    done = run(*arguments, BRAMBLE_VENV="/nonexistent/venv")
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_no_fitting_python_says_what_to_install(tmp_path: Path) -> None:
    """With only an old Python in PATH the script says which versions it needs and how to get one."""
    for tool in ("bash", "cat", "sha256sum", "cut", "grep", "dirname"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = run("--install", PATH=str(tmp_path), BRAMBLE_VENV=str(tmp_path / "venv"), PYTHON="")
    assert done.returncode == 2
    assert "no Python 3.11, 3.12 or 3.13" in done.stderr
    assert "apt install python3" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    """A folder of the user's own is refused as a place for the environment, and nothing in it is touched."""
    (tmp_path / "thesis.txt").write_text("years of work")
    done = run("--install", BRAMBLE_VENV=str(tmp_path))
    assert done.returncode == 2
    assert "no Python environment" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_shellcheck_is_content() -> None:
    """Shellcheck finds nothing to say about the project's scripts."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    scripts = [str(SCRIPT), str(SCRIPT.parent / ".ci" / "run")]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("told", "calls"),
    [
        ("local\nmy recipe.toml", ["bramble deploy my recipe.toml local"]),
        ("pi\ndigits-int8", ["bramble board setup pi", "bramble deploy digits-int8 pi"]),
    ],
)
def test_what_is_called(tmp_path: Path, told: str, calls: list[str]) -> None:
    """What the words mean is asked first; a board that is not this machine is set up, then the recipe deployed."""
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    meant = f"printf '%s\\n' '{told}'"
    python.write_text(
        f'#!/bin/sh\nshift\nif [ "$1" = bramble.cli.deploy_sh ]; then {meant}; else echo "$@" >>{tmp_path}/log; fi\n'
    )
    python.chmod(0o755)
    (tmp_path / "venv/.bramble").write_text(stamp())
    done = run("some", "words", BRAMBLE_VENV=str(tmp_path / "venv"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log").read_text().splitlines() == calls


def test_wrong_words_touch_no_board(tmp_path: Path) -> None:
    """Where the words mean nothing, nothing else is called, and the exit code is that of the answer."""
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/log\nexit 2\n')
    python.chmod(0o755)
    (tmp_path / "venv/.bramble").write_text(stamp())
    assert run("pi", "digits-int7", BRAMBLE_VENV=str(tmp_path / "venv")).returncode == 2
    assert (tmp_path / "log").read_text() == "-m bramble.cli.deploy_sh pi digits-int7\n"


def stamp() -> str:
    """What stands in an environment that was made from the lock file as it is."""
    here = SCRIPT.parent
    held = (here / "requirements.txt").read_bytes() + (here / "pyproject.toml").read_bytes()
    return f"{hashlib.sha256(held).hexdigest()} {here}\n"
