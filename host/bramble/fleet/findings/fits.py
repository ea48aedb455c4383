"""Which TFLite runtime a board can run: by architecture, Python, glibc and libstdc++ of its wheels.

The needs are those read from the libraries in the wheels (ELF version needs), not from the wheels' tags: ai-edge-litert
is tagged manylinux_2_27 and needs glibc 2.34 from 2.1.1 on, 2.30 in 2.1.0. All of them are built against glibc; there
is none for musl or ARMv6.
"""

from __future__ import annotations

from dataclasses import dataclass

from bramble.fleet.findings.finding import version
from bramble.fleet.probe.survey import Interpreter, Survey

BITS = {"arm64": 64, "amd64": 64, "riscv64": 64, "armhf": 32, "armel": 32, "i386": 32, "riscv32": 32}
OLDEST_PYTHON = (3, 9)  # of the agent


@dataclass(frozen=True)
class RuntimeWheels:
    """What one release of a runtime is built for: Pythons from ``oldest`` to ``newest``, and what it needs at least."""

    requirement: str
    architectures: tuple[str, ...]
    oldest: tuple[int, int]
    newest: tuple[int, int]
    glibc: tuple[int, ...]
    libstdcxx: tuple[int, ...]


RUNTIMES = (  # the preferred one first
    RuntimeWheels("ai-edge-litert", ("arm64", "amd64"), (3, 10), (3, 14), (2, 34), (3, 4, 30)),
    RuntimeWheels("ai-edge-litert==2.1.0", ("arm64", "amd64"), (3, 9), (3, 13), (2, 30), (3, 4, 26)),
    RuntimeWheels("tflite-runtime 'numpy<2'", ("arm64", "armhf", "amd64"), (3, 9), (3, 11), (2, 27), ()),
)
LITERT = RUNTIMES[0]


def fitting(survey: Survey, python: Interpreter) -> str:
    """What pip must be asked for to get a runtime for this Python; "" where none fits. Unknown versions are trusted."""
    fits = (one.requirement for one in RUNTIMES if _fits(one, survey, python))
    return next(fits, "")


def agent_runs(survey: Survey) -> bool:
    """Whether the Python that the inventory names is there and new enough for the agent."""
    return any(one.named and version(one.version) >= OLDEST_PYTHON for one in survey.pythons)


def userland_bits(survey: Survey) -> int | None:
    """64, 32, or None where the userland is unknown."""
    return BITS.get(survey.userland)


def has_wheels(survey: Survey) -> bool:
    """Whether any runtime is built for the board's architecture and C library at all."""
    known = any(survey.userland in one.architectures for one in RUNTIMES)
    return (known or not survey.userland) and not survey.libc.startswith("musl") and survey.machine != "armv6l"


def _fits(wheels: RuntimeWheels, survey: Survey, python: Interpreter) -> bool:
    glibc, libstdcxx = version(survey.libc), version(survey.libstdcxx)
    return (
        has_wheels(survey)
        and (survey.userland in wheels.architectures or not survey.userland)
        and wheels.oldest <= version(python.version)[:2] <= wheels.newest
        and (not glibc or glibc >= wheels.glibc)
        and (not libstdcxx or libstdcxx >= wheels.libstdcxx)
    )
