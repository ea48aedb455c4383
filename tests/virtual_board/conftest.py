"""Virtual boards for tests: running and factory-fresh, stopped at the end, skipped where there can be none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from bramble.fleet.types import Board

from .kinds import ARM64, ARMHF, BULLSEYE, TRIXIE, Kind
from .machine import USUAL, Machine, Options, running
from .needs import MissingError


class StartBoard(Protocol):
    """What ``start_board`` is."""

    def __call__(self, kind: Kind, options: Options = ...) -> Machine:
        """Start a board; skips the test where that cannot be."""
        ...


@pytest.fixture
def start_board() -> Iterator[StartBoard]:
    """A function that starts a board of a kind, with options; they are all stopped at the end."""
    with ExitStack() as started:

        def start(kind: Kind, options: Options = USUAL) -> Machine:
            try:
                return started.enter_context(running(kind, options))
            except MissingError as missing:
                pytest.skip(f"no virtual board: {missing}")

        yield start


@pytest.fixture
def arm64_machine(start_board: StartBoard) -> Machine:
    """A 64-bit Raspberry Pi 4 with Debian 12 and Python 3.11, with the means to break it from outside."""
    return start_board(ARM64)


@pytest.fixture
def arm64_board(arm64_machine: Machine) -> Board:
    """A 64-bit Raspberry Pi 4 with Debian 12 and Python 3.11."""
    return arm64_machine.board


@pytest.fixture
def armhf_board(start_board: StartBoard) -> Board:
    """A 32-bit Raspberry Pi 2 with Debian 12, Python 3.11 and Debian's numpy."""
    return start_board(ARMHF).board


@pytest.fixture
def bullseye_board(start_board: StartBoard) -> Board:
    """A 64-bit Raspberry Pi 4 with Debian 11 and Python 3.9."""
    return start_board(BULLSEYE).board


@pytest.fixture
def trixie_board(start_board: StartBoard) -> Board:
    """A 64-bit Raspberry Pi 4 with Debian 13 and Python 3.13."""
    return start_board(TRIXIE).board
