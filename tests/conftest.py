"""What all tests share: where the real data are, a home of their own, and one trained run.

Being here also puts this folder (``making``, ``running``) on the path.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from running import Run


def pytest_configure() -> None:
    """Let Ctrl-C work in the processes that tests start, also where the tests themselves run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real pictures, data sets and models; the test is skipped where there is none."""
    folder = os.environ.get("BRAMBLE_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("BRAMBLE_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for boards and releases that is the test's own, so that nobody's real one is touched."""
    monkeypatch.setenv("BRAMBLE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def one_epoch(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The zoo's digits-int8 after one epoch; tests may add runs to its folder, not change what is there."""
    from running import ONE_EPOCH, run_pipeline

    return run_pipeline("digits-int8", tmp_path_factory.mktemp("one-epoch") / "runs", ONE_EPOCH)
