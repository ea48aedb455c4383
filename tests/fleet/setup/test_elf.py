"""What a library needs, read by us, by readelf, and as it is known of wheels whose tags lie."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import ai_edge_litert
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bramble.errors import UsageError
from bramble.fleet.setup.elf import Needs, is_elf, needs
from bramble.fleet.setup.target import Target
from bramble.fleet.setup.wheels import fetch
from wheelhouse import AARCH64, library

INSTALLED = [Path(next(iter(ai_edge_litert.__path__))), Path(np.__file__).parent]
LIBRARIES = sorted(path for folder in INSTALLED for path in folder.rglob("*.so"))


def by_readelf(path: Path) -> dict[str, tuple[int, ...]]:
    """The highest version of each set that binutils finds needed."""
    told = subprocess.run(["readelf", "-V", path], check=True, capture_output=True, text=True).stdout
    needed = told.partition(".gnu.version_r")[2]
    highest: dict[str, tuple[int, ...]] = {}
    for name, digits in re.findall(r"Name: ([A-Z]+)_([\d.]+) ", needed):
        version = tuple(int(part) for part in digits.split("."))
        highest[name] = max(version, highest.get(name, version))
    return highest


@pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf is not there: apt install binutils")
@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: path.name.partition(".")[0])
def test_against_readelf(path: Path) -> None:
    """Every library of LiteRT and NumPy here needs what binutils says."""
    found = needs(path.read_bytes())
    assert found.versions == by_readelf(path)
    assert found.bits == (64 if sys.maxsize > 1 << 32 else 32)


def test_a_changed_library() -> None:
    """The version and the machine are those in the file, not those of this system."""
    assert needs(library("2.77")).versions["GLIBC"] == (2, 77)
    assert needs(library(machine=AARCH64)).machine == "aarch64"
    assert needs(library(machine=243)).machine == "EM_RISCV"  # one that no wheel is for keeps ELF's own name


def test_versions_are_numbers() -> None:
    """2.4 is older than 2.34: numbers are compared, not letters."""
    data = library("2.34").replace(b"GLIBC_2.2.5\0", b"GLIBC_2.4\0\0\0")
    assert needs(data).versions["GLIBC"] == (2, 34)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x7fELF", b"\x7fELF" + b"\0" * 60, b"#!/bin/sh\n"])
def test_no_library(data: bytes) -> None:
    """What is no library, or is cut off after its first bytes, is a clear error."""
    with pytest.raises(UsageError, match="not a library that can be read"):
        needs(data)


def test_is_elf() -> None:
    """Libraries are known by their first bytes: programs in a wheel have no suffix."""
    assert is_elf(library())
    assert not is_elf(b"print()")
    assert not is_elf(b"")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage(data: st.DataObject) -> None:
    """A library with a changed byte, or cut short, is read or refused; nothing else happens."""
    whole = library()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    place = data.draw(st.integers(0, max(0, len(cut) - 1)) | st.integers(0, 63))
    broken = cut[:place] + bytes([data.draw(st.integers(0, 255))]) + cut[place + 1 :]
    with suppress(UsageError):
        assert isinstance(needs(broken), Needs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requirement", "tag", "machine", "told", "needed"),
    [
        ("ai-edge-litert==2.3.0", "cp311", "aarch64", "2_27", {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 30)}),
        ("ai-edge-litert==2.1.0", "cp39", "aarch64", "2_27", {"GLIBC": (2, 30), "GLIBCXX": (3, 4, 26)}),
        ("tflite-runtime==2.14.0", "cp311", "aarch64", "2_34", {"GLIBC": (2, 27)}),
        ("tflite-runtime==2.14.0", "cp311", "armv7l", "2_34", {"GLIBC": (2, 27)}),
        ("tflite-runtime==2.12.0", "cp39", "armv7l", "2014", {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29)}),
    ],
)
def test_wheels_whose_tags_lie(
    requirement: str, tag: str, machine: str, told: str, needed: dict[str, tuple[int, ...]], registry: None
) -> None:
    """The wheels of the runtimes need another glibc than their names say, more or less."""
    wheel = fetch(requirement, Target(tag, f"3.{tag[3:]}", machine, (2, 36), (3, 4, 30)))
    assert f"manylinux_{told}_{machine}" in wheel.path.name or f"manylinux{told}_{machine}" in wheel.path.name
    highest: dict[str, tuple[int, ...]] = {}
    with zipfile.ZipFile(wheel.path) as archive:
        for name in archive.namelist():
            if is_elf(archive.read(name)[:4]):
                found = needs(archive.read(name))
                assert (found.machine, found.bits) == (machine, 64 if machine == "aarch64" else 32)
                for key, version in found.versions.items():
                    highest[key] = max(version, highest.get(key, version))
    assert {key: highest[key] for key in needed} == needed
