"""Findings about what runs on a board: userland, C libraries, Pythons, TFLite runtimes. Each function is one check.

Where the inventory names a Python that is there, that one is judged; otherwise all that were found.
"""

from __future__ import annotations

from collections.abc import Iterator

from bramble.fleet.findings.finding import Finding, install, version
from bramble.fleet.findings.fits import LITERT, OLDEST_PYTHON, RUNTIMES, fitting, has_wheels, userland_bits
from bramble.fleet.probe.survey import Interpreter, Survey

KERNELS_64 = ("aarch64", "x86_64", "riscv64")
DEMANDING = (2, 1, 1)  # from this ai-edge-litert on it needs what LITERT says
NEWEST_32_BIT = (3, 11)  # of tflite-runtime, the only runtime there


def userland(survey: Survey) -> Iterator[Finding]:
    """A 32-bit userland, also under a 64-bit kernel, where uname hides it."""
    if userland_bits(survey) == 32 and survey.machine in KERNELS_64:
        yield Finding(
            "userland-32-bit",
            "warning",
            "64-bit kernel, 32-bit userland: tflite-runtime only",
            "the 64-bit system image can run ai-edge-litert, whose int8 kernels are several times faster",
        )


def architecture(survey: Survey) -> Iterator[Finding]:
    """An architecture or a C library that no runtime is built for."""
    if survey.libc.startswith("musl"):
        yield Finding(
            "musl",
            "problem",
            f"the C library is {survey.libc}: TFLite runtimes are built for glibc only",
            "use a system with glibc (Debian, Raspberry Pi OS, Ubuntu), or a container of one",
        )
    elif survey.machine == "armv6l":
        yield Finding(
            "armv6",
            "problem",
            "an ARMv6 processor: no TFLite runtime is built for it",
            "use a board with ARMv7 or newer",
        )
    elif not has_wheels(survey):
        said = f"no TFLite runtime is built for {survey.userland}"
        yield Finding("architecture", "problem", said, "use a system for arm64, armhf or amd64")


def c_libraries(survey: Survey) -> Iterator[Finding]:
    """A glibc or libstdc++ that is older than LiteRT's libraries need, or not there."""
    glibc = version(survey.libc) if survey.libc.startswith("glibc") else ()
    litert = survey.userland in LITERT.architectures
    if glibc and (glibc < RUNTIMES[-1].glibc or (litert and glibc < LITERT.glibc)):
        fit = _best_fit(survey)
        yield Finding(
            "glibc-too-old",
            "warning" if fit else "problem",
            f"{survey.libc}: ai-edge-litert needs 2.34 from 2.1.1 on, also where pip accepts it",
            f"this fits: {fit}" if fit else "update the system: every runtime needs glibc 2.27 or newer",
        )
    if survey.libstdcxx == "" and not survey.libc.startswith("musl"):
        yield Finding(
            "libstdcxx-missing",
            "problem",
            "libstdc++ is not installed: no TFLite runtime can be imported",
            install(survey, "libstdc++6", "libstdc++"),
        )
    elif litert and version(survey.libstdcxx) and version(survey.libstdcxx) < LITERT.libstdcxx:
        fit = _best_fit(survey)
        yield Finding(
            "libstdcxx-too-old",
            "warning",
            f"libstdc++ knows GLIBCXX_{survey.libstdcxx}: ai-edge-litert needs 3.4.30 from 2.1.1 on",
            f"this fits: {fit}" if fit else "update the system",
        )


def python(survey: Survey) -> Iterator[Finding]:
    """No Python, the named one not there, one that does not run, all too old."""
    for missing in survey.missing_pythons if survey.pythons else ():
        yield Finding(
            "python-not-found",
            "problem",
            f"there is no Python at {missing!r}, which the inventory names",
            f"name another: bramble board add --force --python {survey.pythons[0].path} …",
        )
    for broken in survey.broken_pythons:
        level = "warning" if survey.pythons else "problem"
        yield Finding("python-broken", level, f"a Python does not run: {broken}", "repair it, or remove it")
    if not survey.pythons and not survey.broken_pythons:
        said = "there is no Python on the board"
        yield Finding("no-python", "problem", said, install(survey, "python3 python3-venv", "python3"))
    elif survey.pythons and not any(_is_usable(one) for one in judged(survey)):
        newest = max(judged(survey), key=lambda one: version(one.version))
        others = [one for one in survey.pythons if _is_usable(one)]
        yield Finding(
            "python-too-old",
            "problem",
            f"{newest.path} is Python {newest.version}: the agent needs 3.9",
            f"name another: bramble board add --force --python {others[0].path} …"
            if others
            else "update the system: Debian 11 and later have it",
        )


def environments(survey: Survey) -> Iterator[Finding]:
    """No Python that can make a virtual environment: Debian splits that off."""
    usable = [one for one in survey.pythons if _is_usable(one)]
    if usable and not any(one.venv for one in usable):
        said = "no Python on the board can make virtual environments"
        yield Finding("no-venv", "warning", said, install(survey, "python3-venv", "python3"))


def python_too_new(survey: Survey) -> Iterator[Finding]:
    """A 32-bit userland whose Pythons are all newer than the last runtime for it."""
    usable = [one for one in survey.pythons if _is_usable(one)]
    new = usable and all(version(one.version)[:2] > NEWEST_32_BIT for one in usable)
    if new and userland_bits(survey) == 32 and has_wheels(survey):
        yield Finding(
            "python-too-new",
            "problem",
            f"Python {usable[0].version} on a 32-bit userland: tflite-runtime, the only one there, ends at 3.11",
            "use the 64-bit system image, or one with Python 3.11 (Debian 12)",
        )


def runtime(survey: Survey) -> Iterator[Finding]:
    """No runtime where one fits, no NumPy beside it, or one that is known not to work there."""
    usable = [one for one in judged(survey) if _is_usable(one)]
    serving = [one for one in usable if one.runtimes]
    if usable and not serving:
        yield from _no_runtime(survey, usable)
    for one in serving:
        yield from _odd_runtime(survey, one)


def judged(survey: Survey) -> tuple[Interpreter, ...]:
    """The named Python if it is there, else all."""
    return tuple(one for one in survey.pythons if one.named) or survey.pythons


def _no_runtime(survey: Survey, usable: list[Interpreter]) -> Iterator[Finding]:
    others = [one for one in survey.pythons if _is_usable(one) and one.runtimes]
    fit = _best_fit(survey)
    if others:
        advice = f"{others[0].path} has {others[0].runtimes[0]}: bramble board add --force --python {others[0].path} …"
    elif fit:
        advice = f"`bramble board setup` installs {fit}"
    else:
        return  # another finding says why nothing fits
    where = f"{usable[0].path} has" if len(usable) == 1 else "the Pythons on the board have"
    yield Finding("no-runtime", "problem", f"{where} no TFLite runtime", advice)


def _odd_runtime(survey: Survey, one: Interpreter) -> Iterator[Finding]:
    first = one.runtimes[0]
    if not one.numpy:
        wanted = "'numpy<2'" if first.startswith("tflite-runtime") else "numpy"
        said = f"{one.path} has {first} but no NumPy"
        yield Finding("no-numpy", "problem", said, f"{one.path} -m pip install {wanted}")
    if first.startswith("tflite-runtime"):
        if version(one.numpy)[:1] >= (2,):
            yield Finding(
                "numpy-2-with-tflite-runtime",
                "problem",
                f"{one.path} has {first} with NumPy {one.numpy}: it is built for NumPy 1 and fails at first use",
                f"{one.path} -m pip install 'numpy<2'",
            )
        elif fitting(survey, one) == LITERT.requirement:
            yield Finding(
                "older-runtime",
                "info",
                f"{one.path} serves with {first}; ai-edge-litert fits too and is several times faster in int8",
                f"{one.path} -m pip install ai-edge-litert",
            )
    if first.startswith("ai-edge-litert ") and version(first) >= DEMANDING and not _litert_loads(survey):
        yield Finding(
            "runtime-does-not-load",
            "problem",
            f"{one.path} has {first}, whose libraries need glibc 2.34 and GLIBCXX_3.4.30",
            f"replace it: {fitting(survey, one) or 'nothing fits, update the system'}",
        )


def _litert_loads(survey: Survey) -> bool:
    glibc, libstdcxx = version(survey.libc), version(survey.libstdcxx)
    return (not glibc or glibc >= LITERT.glibc) and (not libstdcxx or libstdcxx >= LITERT.libstdcxx)


def _best_fit(survey: Survey) -> str:
    """The most preferred runtime that fits one of the board's usable Pythons."""
    fits = {fitting(survey, one) for one in survey.pythons if _is_usable(one)}
    return next((one.requirement for one in RUNTIMES if one.requirement in fits), "")


def _is_usable(one: Interpreter) -> bool:
    return version(one.version) >= OLDEST_PYTHON
