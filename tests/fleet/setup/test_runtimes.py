"""The one table of runtimes: what fits which board, by hand; and the table itself against the wheels of the index."""

from __future__ import annotations

import zipfile
from typing import Any

import pytest

from bramble.fleet.setup.elf import is_elf, needs
from bramble.fleet.setup.runtimes import RELEASES, Release, fitting, litert_like
from bramble.fleet.setup.target import Target, target_of
from bramble.fleet.setup.wheels import fetch

from .boards_by_hand import ARMHF, board, python

AMD64 = {"userland": "amd64", "machine": "x86_64"}


@pytest.mark.parametrize(
    ("changes", "version", "expected"),
    [
        ({}, "3.11.2", "ai-edge-litert 2.3.0"),
        ({}, "3.14.0", "ai-edge-litert 2.3.0"),
        ({}, "3.9.2", "ai-edge-litert 2.1.0"),
        ({"libc": "glibc 2.31", "libstdcxx": "3.4.28"}, "3.9.2", "ai-edge-litert 2.1.0"),
        ({"libc": "glibc 2.28", "libstdcxx": "3.4.25"}, "3.9.2", "tflite-runtime 2.14.0"),
        ({"libc": "glibc 2.24"}, "3.9.2", ""),
        ({"libc": "glibc 2.31"}, "3.13.0", "ai-edge-litert 2.1.0"),
        ({"libc": "glibc 2.31"}, "3.14.0", ""),
        ({**AMD64, "libc": "glibc 2.28", "libstdcxx": "3.4.25"}, "3.11.2", "ai-edge-litert 2.3.0"),
        ({**AMD64, "libc": "glibc 2.26"}, "3.11.2", ""),
        (ARMHF, "3.11.2", "tflite-runtime 2.14.0"),
        (ARMHF, "3.12.1", ""),
        ({"userland": "", "libc": "", "libstdcxx": "unknown"}, "3.11.2", "ai-edge-litert 2.3.0"),
    ],
)
def test_which_runtime_fits(changes: dict[str, Any], version: str, expected: str) -> None:
    """By the wheels' own needs: Bullseye's glibc 2.31 takes LiteRT 2.1.0, a 32-bit userland tflite-runtime only."""
    one = python(version, bits=32 if changes is ARMHF else 64)
    found = fitting(target_of(board(**changes), one))
    assert (found.words if found else "") == expected


@pytest.mark.parametrize(
    ("words", "number"),
    [("2.3.0", "2.3.0"), ("2.10.1", "2.3.0"), ("2.1.1", "2.3.0"), ("2.1.0", "2.1.0"), ("1.4", "2.1.0")],
)
def test_what_is_known_of_other_versions(words: str, number: str) -> None:
    """From 2.1.1 on LiteRT needs what 2.3.0 does; before, what 2.1.0 does; on 32-bit ARM there is none."""
    for machine in ("aarch64", "x86_64"):
        found = litert_like(f"ai-edge-litert {words}", machine)
        assert found
        assert (found.number, found.machines) == (number, (machine,))
    assert litert_like(f"ai-edge-litert {words}", "armv7l") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "machine"),
    [(one, machine) for one in RELEASES for machine in one.machines],
    ids=lambda one: one.number if isinstance(one, Release) else one,
)
def test_table_against_the_index(release: Release, machine: str, registry: None) -> None:
    """For the first and the last Python that the table says there is a wheel, which needs what the table says."""
    for minor in {release.first, release.last}:
        target = Target(f"cp3{minor}", f"3.{minor}", machine, (2, 36), (3, 4, 30))
        needed: dict[str, tuple[int, ...]] = {}
        with zipfile.ZipFile(fetch(f"{release.runtime}=={release.number}", target).path) as archive:
            for name in archive.namelist():
                if is_elf(archive.read(name)[:4]):
                    for key, version in needs(archive.read(name)).versions.items():
                        needed[key] = max(version, needed.get(key, version))
        assert (needed["GLIBC"], needed.get("GLIBCXX", ())) == (release.glibc, release.glibcxx)
