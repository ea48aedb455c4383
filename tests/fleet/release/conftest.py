"""What tests of releases share: another bundle, and the mark of tests where the way to the board does not matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from bramble.bundle import load_bundle
from bramble_agent.bundle import Bundle
from making import make_bundle

LOCALLY = pytest.mark.parametrize("board", ["local"], indirect=True)  # where the way there makes no difference


@pytest.fixture
def other(bundle_path: Path) -> Bundle:
    """Another bundle; only the file of its classes' names is the same."""
    return load_bundle(make_bundle(bundle_path.with_name("other"), kind="float32"))
