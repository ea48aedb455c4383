"""What all tests share: where the real data are, a home of their own, and one trained run.

Being here also puts this folder (``making``, ``running``) on the path.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from running import Run

MACHINES = ("virtual_board", "distributions", "systemd_guest", "camera_guest")


def pytest_configure() -> None:
    """Let Ctrl-C work in the processes that tests start, also where the tests themselves run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests of one file go to one process, those on emulated machines (one cache, all cores) all to the same."""
    for item in items:
        if item.get_closest_marker("slow"):
            place = item.path.relative_to(Path(__file__).parent)
            item.add_marker(pytest.mark.xdist_group("machines" if place.parts[0] in MACHINES else str(place)))


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


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheels of the runtime, NumPy, Pillow and pip that are installed here; not to be changed."""
    from wheelhouse import repack

    folder = tmp_path_factory.mktemp("wheels")
    for name in ("ai-edge-litert", "numpy", "pillow"):
        repack(name, folder)
    repack("pip", folder, pure=True)
    return folder


@pytest.fixture(scope="session")
def registry() -> None:
    """The package index, as pip is set up here; the test is skipped where it cannot be reached."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1"]
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run([*command, "--dest", folder, "iniconfig"], capture_output=True, check=False).returncode:
            pytest.skip("no package index can be reached")
