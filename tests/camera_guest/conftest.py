"""One guest for all tests here, with a release on it; they are skipped, with the reason, where there can be none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bramble.bundle import load_bundle
from bramble.fleet.release.push import push
from making import make_bundle
from virtual_board.needs import MissingError

from .guest import Guest, booted


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """The machine, with the tiny bundle as its current release."""
    folder = tmp_path_factory.mktemp("machine")
    try:
        with booted(folder) as running:
            pushed = push(running.connection, running.board, load_bundle(make_bundle(folder / "bundle")))
            assert pushed.state == "current", pushed
            yield running
    except MissingError as error:
        pytest.skip(f"no emulated machine: {error}")
