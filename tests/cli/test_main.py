"""The command itself: help at once, its version, what it does with words it does not know, completion for shells."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from running import bramble, environment

HEAVY = {"tensorflow", "keras", "numpy", "paramiko", "rich", "matplotlib", "jinja2", "sklearn", "PIL"}
VERBS = (
    "init",
    "models",
    "data",
    "build",
    "import",
    "inspect",
    "push",
    "verify",
    "bench",
    "deploy",
    "report",
    "check",
    "schema",
)
LIST_MODULES = """
import runpy, sys
try:
    runpy.run_module("bramble", run_name="__main__", alter_sys=True)
finally:
    sys.stderr.write(" ".join(sys.modules))
"""


def modules_of(*words: str, cwd: Path) -> tuple[set[str], str]:
    """The top-level modules that a command has imported at its end, and its stdout."""
    command = [sys.executable, "-c", LIST_MODULES, *words]
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.split()}, done.stdout


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["deploy", "--help"]])
def test_help_loads_nothing_heavy(work: Path, words: list[str]) -> None:
    """Help and version answer at once, for they import no library but the command line's."""
    loaded, said = modules_of(*words, cwd=work)
    assert said
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_help_lists_the_verbs_in_the_order_of_the_work(work: Path) -> None:
    """Every verb is in the help, with a sentence, in the order one needs them."""
    said = bramble("--help", cwd=work).stdout
    listed = re.findall(r"^  ([a-z]+)  +\S.*$", said.partition("Commands:")[2], re.MULTILINE)
    assert [verb for verb in listed if verb in VERBS] == list(VERBS)
    assert "board" in listed


def test_version_is_that_of_the_source(work: Path) -> None:
    """The version is the one that is written in the agent, from which packages are named too."""
    source = Path(__file__).parents[2] / "device" / "bramble_agent" / "__init__.py"
    (version,) = re.findall(r'^__version__ = "(.+)"$', source.read_text(), re.MULTILINE)
    assert bramble("--version", cwd=work).stdout == f"bramble {version}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["build", "digits-int8", "--frob"], "No such option"),
        (["deploy", "digits-int8", "--threads", "0"], "--threads"),
        (["board", "frobnicate"], "No such command 'frobnicate'"),
        (["check"], "Missing argument"),
    ],
)
def test_words_that_mean_nothing(work: Path, words: list[str], said: str) -> None:
    """An unknown verb, a missing argument, an unknown option are usage errors with the way to the help."""
    done = bramble(*words, cwd=work)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_words_at_all_show_the_help(work: Path) -> None:
    """Who types only the name sees what there is."""
    done = bramble(cwd=work)
    assert done.returncode in (0, 2)
    assert "Commands:" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bramble build len", "lenet300-int8\nlenet5-int8\nlenet5-small"),
        ("bramble bench some.zip lo", "local"),
        ("bramble build zzz", ""),
    ],
)
def test_shell_completes_recipes_and_boards(work: Path, line: str, offered: str) -> None:
    """What a shell asks on Tab is answered with the names that begin so, and nothing else is printed."""
    script = Path(sys.executable).with_name("bramble")
    if not script.exists():
        pytest.skip("the package's script is not installed")
    count = str(len(line.split()) - 1)
    asked = environment(COMP_WORDS=line, COMP_CWORD=count, _BRAMBLE_COMPLETE="complete_bash")
    done = subprocess.run([str(script)], cwd=work, env=asked, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (offered, "")
