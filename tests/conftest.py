"""What all tests share: where the real data are. Being here also puts this folder (``making``) on the path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real pictures, data sets and models; the test is skipped where there is none."""
    folder = os.environ.get("BRAMBLE_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("BRAMBLE_DATA names no folder of real data")
    return Path(folder)
