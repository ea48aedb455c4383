"""The shells that a board may have, and the files of a Raspberry Pi."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.boards import SHELLS, pi_root


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Each shell that boards have."""
    return SHELLS[request.param]


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """The kernel's files of a Raspberry Pi."""
    return pi_root(tmp_path / "pi")
