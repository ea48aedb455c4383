"""What wheels must fit: one Python on one board, in the words that wheels and loaders use.

The userland decides, not the kernel: a 64-bit kernel under a 32-bit system runs 32-bit programs only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bramble.errors import IncompatibleError
from bramble.fleet.probe.survey import Interpreter, Survey
from bramble.fleet.setup.elf import Needs
from bramble.fleet.versions import Version, dotted, numbers

MACHINES = {  # by the userland, or the kernel where the userland is unknown, and the bits of a Python
    ("arm64", 64): "aarch64",
    ("arm64", 32): "armv7l",
    ("armhf", 32): "armv7l",
    ("amd64", 64): "x86_64",
    ("aarch64", 64): "aarch64",
    ("aarch64", 32): "armv7l",
    ("armv7l", 32): "armv7l",
    ("x86_64", 64): "x86_64",
}
SYSTEMS = "use a system for 64-bit ARM (arm64), 32-bit ARM (armhf) or 64-bit x86 (amd64)"
OURS = "/.bramble/venv/bin/python"  # how the path of the environment ends that a setup makes
NO_WHEELS = ("armv7l",)  # for these PyPI has runtimes, but neither NumPy nor Pillow
OLDEST_PYTHON = (3, 9)  # the agent's own
OLDEST_PILLOW = (9, 1)  # what the agent decodes pictures with
# A version of the C++ ABI came with a version of the library: GCC's "ABI Policy and Guidelines", by release of GCC.
CXXABI_SINCE: dict[Version, Version] = {
    (1, 3, 8): (3, 4, 20),
    (1, 3, 9): (3, 4, 21),
    (1, 3, 10): (3, 4, 22),
    (1, 3, 11): (3, 4, 23),
    (1, 3, 12): (3, 4, 26),
    (1, 3, 13): (3, 4, 29),
    (1, 3, 14): (3, 4, 31),
    (1, 3, 15): (3, 4, 33),
}


@dataclass(frozen=True)
class Target:
    """A board's Python: its tag ("cp311"), version ("3.11"), machine as wheels name it, and its C and C++ libraries.

    ``glibc`` and ``glibcxx`` are empty where the board does not say: then only its own import can tell.
    """

    tag: str
    python: str
    machine: str
    glibc: Version
    glibcxx: Version

    @property
    def words(self) -> str:
        """As a person says it: "Python 3.11 on aarch64"."""
        return f"Python {self.python} on {self.machine}"


@dataclass(frozen=True)
class Obstacle:
    """Why no runtime at all is built for a board, and what to do: named "musl", "armv6" or "architecture"."""

    name: str
    said: str
    what_to_do: str


def obstacle(survey: Survey) -> Obstacle | None:
    """What no Python on that board could change; None where there may be a runtime."""
    if survey.libc.startswith("musl"):
        said = f"no TFLite runtime is built for {survey.libc}: all wheels are for glibc"
        return Obstacle("musl", said, "use a system with glibc: Raspberry Pi OS, Debian, Ubuntu, or a container of one")
    if survey.machine.startswith(("armv6", "armv5")):
        said = f"no TFLite runtime is built for {survey.machine} (a Pi Zero or a first Pi)"
        return Obstacle("armv6", said, "the smallest Pi that runs models is a Zero 2 W")
    where = survey.userland or survey.machine
    if where and not any(where == known for known, _ in MACHINES):
        said = f"no TFLite runtime is built for {where}"
        return Obstacle("architecture", said, SYSTEMS)
    return None


def target_of(survey: Survey, interpreter: Interpreter) -> Target:
    """What wheels for that Python of the board must fit. Raises IncompatibleError where none can, with the way out."""
    hopeless = obstacle(survey)
    if hopeless:
        raise IncompatibleError(hopeless.said, hopeless.what_to_do)
    if not survey.libstdcxx:
        raise IncompatibleError(
            "libstdc++ is not installed on the board, and every TFLite runtime is written in C++",
            "on the board: sudo apt install libstdc++6",
        )
    machine = machine_of(survey, interpreter.bits)
    if not machine:
        where = survey.userland or survey.machine or "this machine"
        raise IncompatibleError(f"no TFLite runtime is built for {where} ({interpreter.bits} bits)", SYSTEMS)
    python, libraries = _checked_python(interpreter), (numbers(survey.libc), numbers(survey.libstdcxx))
    return Target(interpreter.tag, python, machine, *libraries)


def machine_of(survey: Survey, bits: int) -> str:
    """The machine that wheels for a Python of that many bits are named after; "" if none are made for it."""
    return MACHINES.get((survey.userland or survey.machine, bits), "")


def runs_agent(interpreter: Interpreter) -> bool:
    """Whether a Python is new enough for the agent."""
    return numbers(interpreter.version) >= OLDEST_PYTHON


def has_pillow(interpreter: Interpreter) -> bool:
    """Whether the agent can decode pictures with what a Python has; a version that is not known is trusted."""
    return bool(interpreter.pillow) and (numbers(interpreter.pillow) or OLDEST_PILLOW) >= OLDEST_PILLOW


def misfits(needs: Needs, target: Target) -> list[str]:
    """Why a library with these needs cannot be loaded there: "GLIBC_2.34 (the board has 2.31)"; empty if it can.

    The sets of libgcc (GCC_3.0) are not compared: any of the last fifteen years fits.
    """
    if needs.machine != target.machine:
        return [f"a machine of kind {needs.machine} (the board's programs are for {target.machine})"]
    glibc, glibcxx = needs.versions.get("GLIBC", ()), needs.versions.get("GLIBCXX", ())
    cxxabi = needs.versions.get("CXXABI", ())
    found = []
    if target.glibc and glibc > target.glibc:
        found.append(f"GLIBC_{dotted(glibc)} (the board has {dotted(target.glibc)})")
    if target.glibcxx and glibcxx > target.glibcxx:
        found.append(f"GLIBCXX_{dotted(glibcxx)} (the board has {dotted(target.glibcxx)})")
    if target.glibcxx and _since(cxxabi) > target.glibcxx:
        found.append(f"CXXABI_{dotted(cxxabi)} (the board's libstdc++ is {dotted(target.glibcxx)})")
    return found


def _since(cxxabi: Version) -> Version:
    """The library's version that brought this version of its ABI; () where every library has it."""
    if cxxabi > max(CXXABI_SINCE):
        return (*max(CXXABI_SINCE.values()), 1)  # newer than all that are known
    return CXXABI_SINCE.get(cxxabi, ())


def _checked_python(interpreter: Interpreter) -> str:
    if not re.fullmatch(r"cp3\d+", interpreter.tag):
        raise IncompatibleError(
            f"{interpreter.path} is {interpreter.tag or 'no CPython'}: no TFLite runtime is built for it",
            "install the system's python3, or name a plain CPython: bramble board add --python",
        )
    if not runs_agent(interpreter):
        raise IncompatibleError(
            f"{interpreter.path} is Python {interpreter.version}; Bramble needs {dotted(OLDEST_PYTHON)} or later",
            "update the board's system, or install a newer Python and name it: bramble board add --python",
        )
    return dotted(numbers(interpreter.version)[:2])
