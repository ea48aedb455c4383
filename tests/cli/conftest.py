"""What the tests of the command line share: a folder to work in, a finished run in it, and how a failure must look."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from running import Run

Failed = Callable[[subprocess.CompletedProcess[str], int], str]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty folder to run the command in."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def runs(one_epoch: Run, work: Path) -> Path:
    """The run of one epoch as it lies in ./runs, the test's own copy."""
    for folder in (one_epoch.runs / ".artifacts", one_epoch.built.folder):
        shutil.copytree(folder, work / "runs" / folder.relative_to(one_epoch.runs))
    return work / "runs"


@pytest.fixture
def failed() -> Failed:
    """``failed(done, code)`` checks that a command failed in one piece with that exit code, and gives what it said."""

    def said(done: subprocess.CompletedProcess[str], code: int) -> str:
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("bramble: ") == 1
        return done.stderr

    return said
