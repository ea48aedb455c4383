"""Which wheels a board can load: its words, and the libraries' needs compared with it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bramble.errors import IncompatibleError
from bramble.fleet.setup.elf import Needs
from bramble.fleet.setup.target import Target, has_pillow, misfits, runs_agent, target_of

from .boards_by_hand import ARMHF, BULLSEYE, board, python

PI = Target("cp311", "3.11", "aarch64", (2, 36), (3, 4, 30))


def test_words() -> None:
    """A survey's words become those of wheels and loaders."""
    assert target_of(board(), python("3.11.2")) == PI
    assert PI.words == "Python 3.11 on aarch64"
    assert target_of(board(**BULLSEYE, **ARMHF), python("3.9.2", bits=32)) == Target(
        "cp39", "3.9", "armv7l", (2, 31), (3, 4, 28)
    )
    assert target_of(board(userland="amd64", machine="x86_64"), python("3.13.5")).machine == "x86_64"


def test_32_bits_under_a_64_bit_kernel() -> None:
    """The userland counts, then the Python's own pointers: a 32-bit Python on a 64-bit system takes 32-bit wheels."""
    kernel = board(userland="armhf", machine="aarch64")
    assert target_of(kernel, python("3.11.2", bits=32)).machine == "armv7l"
    assert target_of(board(), python("3.11.2", bits=32)).machine == "armv7l"


@pytest.mark.parametrize(
    ("machine", "bits", "named"), [("aarch64", 64, "aarch64"), ("aarch64", 32, "armv7l"), ("x86_64", 64, "x86_64")]
)
def test_userland_that_is_not_known(machine: str, bits: int, named: str) -> None:
    """Where the board does not say what its programs are built for, kernel and Python tell."""
    assert target_of(board(userland="", machine=machine), python("3.11.2", bits=bits)).machine == named


def test_which_pythons_run_the_agent() -> None:
    """3.9 and later."""
    assert [runs_agent(python(version)) for version in ("3.8.10", "3.9.2", "3.10.0")] == [False, True, True]


def test_which_pillow_serves() -> None:
    """9.1 and later, and one of a version that is not known."""
    held = ("", "8.1.2", "9.1.0", "11.3.0", "unknown")
    assert [has_pillow(python("3.11.2", pillow=one)) for one in held] == [False, False, True, True, True]


def test_what_a_board_does_not_say() -> None:
    """An unknown version is not compared; the board's own import will tell."""
    target = target_of(board(libc="", libstdcxx="unknown"), python("3.11.2"))
    assert (target.glibc, target.glibcxx) == ((), ())
    assert misfits(Needs("aarch64", 64, {"GLIBC": (2, 99), "GLIBCXX": (3, 4, 99), "CXXABI": (1, 3, 99)}), target) == []


@pytest.mark.parametrize(
    ("changes", "interpreter", "reason", "way_out"),
    [
        ({"libc": "musl 1.2", "libstdcxx": ""}, python("3.12.2"), "musl 1.2", "Debian"),
        ({"machine": "armv6l", "userland": "armhf"}, python("3.11.2", bits=32), "armv6l", "Zero 2 W"),
        ({"libstdcxx": ""}, python("3.11.2"), "libstdc\\+\\+ is not installed", "sudo apt install libstdc\\+\\+6"),
        ({"userland": "riscv64", "machine": "riscv64"}, python("3.11.2"), "riscv64", "arm64"),
        ({"userland": "i386", "machine": "i686"}, python("3.11.2", bits=32), "i386", "amd64"),
        ({"userland": "amd64", "machine": "x86_64"}, python("3.11.2", bits=32), "amd64 \\(32 bits\\)", "amd64"),
        ({"userland": "", "machine": ""}, python("3.11.2"), "this machine \\(64 bits\\)", "amd64"),
        ({"userland": "armel", "machine": "armv7l"}, python("3.11.2", bits=32), "armel", "armhf"),
        ({}, python("3.8.10"), "is Python 3.8.10; Bramble needs 3.9", "--python"),
        ({}, python("2.7.18"), "is cp27", "CPython"),
        ({}, python("3.10.12", tag="pypy310"), "is pypy310", "CPython"),
        ({}, python("3.13.1", tag="cp313t"), "is cp313t", "CPython"),
    ],
)
def test_impossible(changes: dict[str, Any], interpreter: Any, reason: str, way_out: str) -> None:
    """A board or a Python that no wheel is for is refused with the reason and the way out."""
    with pytest.raises(IncompatibleError, match=reason) as caught:
        target_of(board(**changes), interpreter)
    assert re.search(way_out, caught.value.hint)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("needed", "told"),
    [
        ({"GLIBC": (2, 36), "GLIBCXX": (3, 4, 30), "CXXABI": (1, 3, 13), "GCC": (14, 0)}, []),
        ({}, []),
        ({"GLIBC": (2, 4)}, []),
        ({"GLIBC": (2, 37)}, ["GLIBC_2.37 (the board has 2.36)"]),
        ({"GLIBCXX": (3, 4, 31)}, ["GLIBCXX_3.4.31 (the board has 3.4.30)"]),
        ({"CXXABI": (1, 3, 14)}, ["CXXABI_1.3.14 (the board's libstdc++ is 3.4.30)"]),
        ({"CXXABI": (1, 4, 0)}, ["CXXABI_1.4.0 (the board's libstdc++ is 3.4.30)"]),
        ({"CXXABI": (1, 3)}, []),
        (
            {"GLIBC": (2, 38), "GLIBCXX": (3, 4, 32)},
            ["GLIBC_2.38 (the board has 2.36)", "GLIBCXX_3.4.32 (the board has 3.4.30)"],
        ),
    ],
)
def test_needs_against_a_board(needed: dict[str, tuple[int, ...]], told: list[str]) -> None:
    """Each set is compared by numbers: what the board has at least is fine."""
    assert misfits(Needs("aarch64", 64, needed), PI) == told


def test_debian_11_knows_its_own_abi() -> None:
    """GCC 10 has CXXABI_1.3.12 with GLIBCXX_3.4.28, and lacks 1.3.13, which came with GCC 11."""
    bullseye = target_of(board(**BULLSEYE), python("3.9.2"))
    assert misfits(Needs("aarch64", 64, {"CXXABI": (1, 3, 12)}), bullseye) == []
    assert misfits(Needs("aarch64", 64, {"CXXABI": (1, 3, 13)}), bullseye) != []


def test_another_machine() -> None:
    """A library for another machine fits nowhere, whatever its versions."""
    assert misfits(Needs("x86_64", 64), PI) == [
        "a machine of kind x86_64 (the board's programs are for aarch64)",
    ]
