"""Findings about what runs on a board: userland, C libraries, Pythons, TFLite runtimes. Each function is one check.

Where the inventory names a Python that is there, that one is judged; otherwise all that were found.
"""

from __future__ import annotations

from collections.abc import Iterator

from bramble.errors import IncompatibleError
from bramble.fleet.findings.finding import Finding, install
from bramble.fleet.probe.survey import Interpreter, Survey
from bramble.fleet.setup.runtimes import (
    LITERT,
    RELEASES,
    TFLITE,
    Release,
    best_for,
    fitting,
    litert_like,
    newest_python,
)
from bramble.fleet.setup.target import NO_WHEELS, OURS, has_pillow, machine_of, obstacle, runs_agent, target_of
from bramble.fleet.versions import dotted, numbers

KERNELS_64 = ("aarch64", "x86_64", "riscv64")
SET_UP = "`bramble board setup` makes an environment of its own with what fits"
USERLANDS_32 = ("armhf", "armel", "i386", "riscv32")


def userland(survey: Survey) -> Iterator[Finding]:
    """A 32-bit userland, also under a 64-bit kernel, where uname hides it."""
    if survey.userland in USERLANDS_32 and survey.machine in KERNELS_64:
        yield Finding(
            "userland-32-bit",
            "warning",
            "64-bit kernel, 32-bit userland: tflite-runtime only",
            "the 64-bit system image can run ai-edge-litert, whose int8 kernels are several times faster",
        )


def architecture(survey: Survey) -> Iterator[Finding]:
    """An architecture or a C library that no runtime is built for."""
    hopeless = obstacle(survey)
    if hopeless:
        yield Finding(hopeless.name, "problem", hopeless.said, hopeless.what_to_do)


def c_libraries(survey: Survey) -> Iterator[Finding]:
    """A glibc or libstdc++ that is older than the best runtime's libraries need, or not there."""
    best = None if obstacle(survey) else best_for(machine_of(survey, 32 if survey.userland in USERLANDS_32 else 64))
    glibc, libstdcxx = numbers(survey.libc), numbers(survey.libstdcxx)
    fit = _best_fit(survey)
    advice = _install(fit) if fit else "update the system"
    if best and glibc and glibc < best.glibc:
        yield Finding(
            "glibc-too-old",
            "warning" if fit else "problem",
            f"{survey.libc}: {best.words} needs {dotted(best.glibc)}, also where pip accepts it",
            advice,
        )
    if survey.libstdcxx == "" and not survey.libc.startswith("musl"):
        yield Finding(
            "libstdcxx-missing",
            "problem",
            "libstdc++ is not installed: no TFLite runtime can be imported",
            install(survey, "libstdc++6", "libstdc++"),
        )
    elif best and libstdcxx and libstdcxx < best.glibcxx:
        said = f"libstdc++ knows GLIBCXX_{survey.libstdcxx}: {best.words} needs {dotted(best.glibcxx)}"
        yield Finding("libstdcxx-too-old", "warning", said, advice)


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
    elif survey.pythons and not any(runs_agent(one) for one in judged(survey)):
        newest = max(judged(survey), key=lambda one: numbers(one.version))
        others = [one for one in survey.pythons if runs_agent(one)]
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
    usable = [one for one in survey.pythons if runs_agent(one)]
    if usable and not any(one.venv for one in usable):
        said = "no Python on the board can make virtual environments"
        yield Finding("no-venv", "warning", said, install(survey, "python3-venv", "python3"))


def python_too_new(survey: Survey) -> Iterator[Finding]:
    """A 32-bit userland whose Pythons are all newer than the last runtime for it."""
    usable = [one for one in survey.pythons if runs_agent(one)]
    last = (3, newest_python(machine_of(survey, 32)))
    new = usable and all(numbers(one.version)[:2] > last for one in usable)
    if new and survey.userland in USERLANDS_32 and not obstacle(survey):
        yield Finding(
            "python-too-new",
            "problem",
            f"Python {usable[0].version} on a 32-bit userland: {TFLITE}, the only one there, ends at {dotted(last)}",
            f"use the 64-bit system image, or one with Python {dotted(last)} (Debian 12)",
        )


def runtime(survey: Survey) -> Iterator[Finding]:
    """No runtime where one fits, no NumPy beside it, or one that is known not to work there."""
    usable = [one for one in judged(survey) if runs_agent(one)]
    serving = [one for one in usable if one.runtimes]
    if usable and not serving:
        yield from _no_runtime(survey, usable)
    for one in serving:
        yield from _odd_runtime(survey, one)


def pictures(survey: Survey) -> Iterator[Finding]:
    """No Pillow beside a runtime: models run, pictures are not decoded."""
    for one in judged(survey):
        if runs_agent(one) and one.runtimes and not has_pillow(one):
            lacking = f"Pillow {one.pillow}, which is too old" if one.pillow else "no Pillow"
            from_system = machine_of(survey, one.bits) in NO_WHEELS
            advice = (
                install(survey, "python3-pil", "py3-pillow") if from_system else "`bramble board setup` installs it"
            )
            yield Finding("no-pillow", "info", f"{one.path} has {lacking}: pictures are not decoded there", advice)


def judged(survey: Survey) -> tuple[Interpreter, ...]:
    """The named Python if it is there, else all."""
    return tuple(one for one in survey.pythons if one.named) or survey.pythons


def _no_runtime(survey: Survey, usable: list[Interpreter]) -> Iterator[Finding]:
    others = [one for one in survey.pythons if runs_agent(one) and one.runtimes]
    fit = _best_fit(survey)
    if others and others[0].path.endswith(OURS):
        advice = f"`bramble board setup` takes {others[0].path} into use, which has {others[0].runtimes[0]}"
    elif others:
        advice = f"{others[0].path} has {others[0].runtimes[0]}: bramble board add --force --python {others[0].path} …"
    elif fit:
        advice = _packages(survey, usable) + _install(fit)
    else:
        return  # another finding says why nothing fits
    where = f"{usable[0].path} has" if len(usable) == 1 else "the Pythons on the board have"
    yield Finding("no-runtime", "problem", f"{where} no TFLite runtime", advice)


def _packages(survey: Survey, usable: list[Interpreter]) -> str:
    """What a setup cannot bring to machines that PyPI has no wheels for; "" where there is nothing to do."""
    bare = all(machine_of(survey, one.bits) in NO_WHEELS and not one.numpy for one in usable)
    return f"{install(survey, 'python3-numpy python3-pil', 'py3-numpy py3-pillow')}, then " if bare else ""


def _odd_runtime(survey: Survey, one: Interpreter) -> Iterator[Finding]:
    first = one.runtimes[0]
    name = first.partition(" ")[0]
    fit = _fitting(survey, one)
    if not one.numpy:
        yield Finding("no-numpy", "problem", f"{one.path} has {first} but no NumPy", SET_UP)
    if name == TFLITE and numbers(one.numpy) >= (2,):
        yield Finding(
            "numpy-2-with-tflite-runtime",
            "problem",
            f"{one.path} has {first} with NumPy {one.numpy}: it is built for NumPy 1 and fails at first use",
            SET_UP,
        )
    elif name == TFLITE and fit and fit.words == RELEASES[0].words:
        yield Finding(
            "older-runtime",
            "info",
            f"{one.path} serves with {first}; {LITERT} fits too and is several times faster in int8",
            _install(fit),
        )
    known = litert_like(first, machine_of(survey, one.bits)) if name == LITERT else None
    if known and not known.loads(numbers(survey.libc), numbers(survey.libstdcxx)):
        needed = f"glibc {dotted(known.glibc)} and GLIBCXX_{dotted(known.glibcxx)}"
        yield Finding(
            "runtime-does-not-load",
            "problem",
            f"{one.path} has {first}, whose libraries need {needed}",
            _install(fit) if fit else "nothing fits: update the system",
        )


def _fitting(survey: Survey, one: Interpreter) -> Release | None:
    """The best runtime for a Python of the board, None where none fits."""
    try:
        return fitting(target_of(survey, one))
    except IncompatibleError:
        return None


def _best_fit(survey: Survey) -> Release | None:
    """The best runtime that fits one of the board's usable Pythons."""
    fits = [_fitting(survey, one) for one in survey.pythons if runs_agent(one)]
    return next((one for one in RELEASES if one in fits), None)


def _install(fit: Release) -> str:
    return f"`bramble board setup` installs {fit.words}"
