"""Which runtime with which numpy to try on a board's Python, best first, and why none if there is none.

A runtime needs numpy and nothing else: ai-edge-litert declares seven dependencies, its interpreter imports one.
tflite-runtime is built against NumPy 1 and dies beside NumPy 2, which it does not declare: so ``numpy<2`` is written
for it.

A board's own numpy is kept where it serves, and never replaced by one of another major version: the Debian packages
that a board imports beside us are built against it and break (picamera2 through simplejpeg: its issues 1088, 1211).
Where there is none, it is rather of the major version that Debian's packages for that Python are built against.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bramble.errors import IncompatibleError
from bramble.fleet.probe.survey import Interpreter
from bramble.fleet.setup.runtimes import LITERT, NAMES, RELEASES, TFLITE, Release, newest_python
from bramble.fleet.setup.target import NO_WHEELS, Target
from bramble.fleet.versions import numbers

OLDEST_NUMPY = "1.23.2"  # both declare it; tflite-runtime fails beside older ones
OLD_TFLITE = (2, 13)  # before it, an older numpy serves
OLDEST_NUMPY_THEN = "1.19.5"
NUMPY_2_SINCE = (3, 13)  # the first Python of a Debian whose packages are built against NumPy 2


@dataclass(frozen=True)
class Stack:
    """A runtime of one version, and what to ask pip for as its numpy, best first (empty: the board's own serves)."""

    runtime: str
    version: str
    numpy: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """As a person says it."""
        return f"{self.runtime} {self.version}"

    @property
    def requirement(self) -> str:
        """As pip reads it."""
        return f"{self.runtime}=={self.version}"


def stacks_for(
    target: Target, interpreter: Interpreter, wanted: str = "", offered: Iterable[tuple[str, str]] | None = None
) -> list[Stack]:
    """The stacks to try on that Python, best first; ``wanted`` is the one runtime that is allowed, "" for any.

    ``offered`` are the (runtime, version) that a folder of wheels holds; PyPI's by RELEASES if None. Raises
    IncompatibleError with the reason and the way out where there is none.
    """
    if offered is None:
        able = [(one.runtime, one.number) for one in RELEASES if one.is_built_for(target)]
    else:
        able = sorted(offered, key=_rank)
    chosen = [(runtime, version) for runtime, version in able if wanted in ("", runtime)]
    if not chosen:
        raise _none(target, wanted, offered is not None)
    stacks = [Stack(runtime, version, _numpy(runtime, version, interpreter)) for runtime, version in chosen]
    if offered is None and target.machine in NO_WHEELS:
        stacks = [one for one in stacks if not one.numpy]
    if not stacks:
        raise _no_numpy(target, interpreter)
    return stacks


def _rank(one: tuple[str, str]) -> tuple[int, tuple[int, ...]]:
    return NAMES.index(one[0]), tuple(-number for number in numbers(one[1]))


def _numpy(runtime: str, version: str, interpreter: Interpreter) -> tuple[str, ...]:
    """What to ask pip for, best first: nothing if the numpy of that Python serves."""
    old = runtime == TFLITE and numbers(version) < OLD_TFLITE
    oldest = OLDEST_NUMPY_THEN if old else OLDEST_NUMPY
    held = () if interpreter.environment else numbers(interpreter.numpy)  # what ours is made of is not seen in it
    if held >= numbers(oldest) and (held < (2,) or runtime == LITERT):
        return ()
    one, newest = f"numpy>={oldest},<2", f"numpy>={oldest}"
    if runtime == TFLITE or () < held < (2,):
        return (one,)
    return (one, newest) if numbers(interpreter.version) < NUMPY_2_SINCE else (newest,)


def _none(target: Target, wanted: str, folder: bool) -> IncompatibleError:
    if folder:
        return IncompatibleError(
            f"the folder of wheels holds no {wanted or ' and no '.join(NAMES)}",
            "put the runtime's wheel there, with a numpy for it and pip: see `pip download --platform`",
        )
    if wanted:
        fit = [f"{one.words} for Python {_span(one)}" for one in RELEASES if target.machine in one.machines]
        return IncompatibleError(
            f"there is no {wanted} for {target.words}",
            f"leave out --runtime; for {target.machine} there are {'; '.join(fit)}",
        )
    if target.machine == "armv7l":
        last = f"3.{newest_python(target.machine)}"
        return IncompatibleError(
            f"there is no TFLite runtime for {target.words}: of 32-bit ones only {TFLITE} is left, "
            f"for Python 3.9 to {last}",
            f"put a 64-bit system on the board, or install Python {last} there and name it: bramble board add --python",
        )
    return IncompatibleError(
        f"there is no TFLite runtime for {target.words}",
        f"install a Python from 3.9 to 3.{newest_python(target.machine)} on the board and name it: "
        "bramble board add --python",
    )


def _no_numpy(target: Target, interpreter: Interpreter) -> IncompatibleError:
    has = f"numpy {interpreter.numpy} there does not serve" if interpreter.numpy else "there is none on the board"
    return IncompatibleError(
        f"PyPI has no numpy for {target.words}, and {has} ({interpreter.path})",
        "on the board: sudo apt install python3-numpy; or give a folder that has a wheel of numpy<2: --wheels FOLDER",
    )


def _span(release: Release) -> str:
    return f"3.{release.first} to 3.{release.last}"
