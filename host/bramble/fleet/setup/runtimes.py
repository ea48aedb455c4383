"""The TFLite runtimes that are installed on boards, best first, and what each is for. This table is the only one.

    ai-edge-litert 2.3.0    the fastest; on ARM it needs glibc 2.34 and libstdc++ 3.4.30 (Debian 12); Python 3.10 on
    ai-edge-litert 2.1.0    the last that glibc 2.30 carries on ARM (Debian 11), and the last for Python 3.9
    tflite-runtime 2.14.0   the last for 32-bit boards, and the last that glibc 2.27 carries on ARM; Python 3.9 to 3.11
    tflite-runtime 2.11.0   the last that runs on 32-bit Debian 11: beside its numpy 1.19 (2.13 does not), and on its
                            glibc (2.12 does not, though it is tagged 2014)

The needs are those that the wheels' libraries state (``elf``), not their tags: LiteRT 2.3 is tagged manylinux_2_27. A
setup reads them anew from the wheel that it fetched; findings, which fetch nothing, go by this table.
"""

from __future__ import annotations

from dataclasses import dataclass

from bramble.fleet.setup.target import Target
from bramble.fleet.versions import Version, numbers

LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"
NAMES = (LITERT, TFLITE)


@dataclass(frozen=True)
class Release:
    """A version of a runtime: the Pythons and machines that PyPI has wheels for, and what their libraries need."""

    runtime: str
    number: str
    first: int  # of Python 3's minor versions
    last: int
    machines: tuple[str, ...]
    glibc: Version
    glibcxx: Version = ()

    @property
    def words(self) -> str:
        """As a person says it."""
        return f"{self.runtime} {self.number}"

    def is_built_for(self, target: Target) -> bool:
        """Whether there is a wheel for that machine and Python."""
        return target.machine in self.machines and self.first <= numbers(target.python)[1] <= self.last

    def loads(self, glibc: Version, glibcxx: Version) -> bool:
        """Whether its libraries find what they need; a version that is not known (empty) is trusted."""
        return (not glibc or glibc >= self.glibc) and (not glibcxx or glibcxx >= self.glibcxx)


RELEASES = (
    Release(LITERT, "2.3.0", 10, 14, ("aarch64",), (2, 34), (3, 4, 30)),
    Release(LITERT, "2.3.0", 10, 14, ("x86_64",), (2, 27), (3, 4, 22)),
    Release(LITERT, "2.1.0", 9, 13, ("aarch64",), (2, 30), (3, 4, 26)),
    Release(LITERT, "2.1.0", 9, 13, ("x86_64",), (2, 27), (3, 4, 22)),
    Release(TFLITE, "2.14.0", 9, 11, ("aarch64", "armv7l"), (2, 27)),
    Release(TFLITE, "2.14.0", 9, 11, ("x86_64",), (2, 29), (3, 4, 22)),
    Release(TFLITE, "2.11.0", 9, 9, ("armv7l",), (2, 27)),
)


def fitting(target: Target) -> Release | None:
    """The best runtime for that Python of a board, by the table."""
    fits = (one for one in RELEASES if one.is_built_for(target) and one.loads(target.glibc, target.glibcxx))
    return next(fits, None)


def best_for(machine: str) -> Release | None:
    """The best runtime for a machine, whatever Python and libraries are there."""
    return next((one for one in RELEASES if machine in one.machines), None)


def newest_python(machine: str) -> int:
    """The minor version of the newest Python 3 that there is a runtime for on such machines; 0 if there is none."""
    return max((one.last for one in RELEASES if machine in one.machines), default=0)


def litert_like(words: str, machine: str) -> Release | None:
    """The oldest LiteRT of the table that is not older than this one ("ai-edge-litert 2.2.1"), else the newest."""
    ours = [one for one in RELEASES if one.runtime == LITERT and machine in one.machines]
    return next((one for one in reversed(ours) if numbers(one.number) >= numbers(words)), ours[0] if ours else None)
