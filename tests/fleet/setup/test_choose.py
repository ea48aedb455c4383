"""The first Python and the first runtime whose wheels truly fit; all reasons where nothing does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bramble.errors import IncompatibleError, UsageError
from bramble.events import Event, Note
from bramble.fleet.probe.survey import Survey
from bramble.fleet.setup.choose import Choice, Wish, choose
from wheelhouse import AARCH64, library, make_wheel

from .boards_by_hand import BULLSEYE, board, python

NUMPY = "numpy-1.26.4-cp311-cp311-manylinux_2_17_aarch64.whl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """LiteRT 2.3 that needs glibc 2.34, 1.4 that needs 2.30, tflite-runtime that needs 2.27, NumPy and pip."""
    for name, version, glibc in (
        ("ai_edge_litert", "2.3.0", "2.34"),
        ("ai_edge_litert", "1.4.0", "2.30"),
        ("tflite_runtime", "2.14.0", "2.27"),
    ):
        file = f"{name}-{version}-cp311-cp311-manylinux_2_17_aarch64.whl"
        make_wheel(tmp_path / "wheels", file, (f"{name}/lib.so", library(glibc, AARCH64)))
    make_wheel(tmp_path / "wheels", NUMPY)
    make_wheel(tmp_path / "wheels", "pip-26.3-py3-none-any.whl")
    return tmp_path / "wheels"


def chosen(survey: Survey, folder: Path, runtime: str = "") -> tuple[Choice, list[str]]:
    """The choice, and what was told on the way."""
    events: list[Event] = []
    choice = choose(survey, survey.pythons, Wish(runtime, folder), events.append)
    return choice, [event.text for event in events if isinstance(event, Note)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("libc", "expected"),
    [
        ("glibc 2.36", "ai-edge-litert 2.3.0"),
        ("glibc 2.34", "ai-edge-litert 2.3.0"),
        ("glibc 2.33", "ai-edge-litert 1.4.0"),
        ("glibc 2.30", "ai-edge-litert 1.4.0"),
        ("glibc 2.28", "tflite-runtime 2.14.0"),
        ("", "ai-edge-litert 2.3.0"),
    ],
)
def test_the_newest_that_fits(folder: Path, libc: str, expected: str) -> None:
    """Older runtimes are tried until one's libraries can be loaded there; each that cannot is told with its reason."""
    choice, told = chosen(board(python("3.11.2"), libc=libc), folder)
    assert choice.stack.words == expected
    assert [wheel.name for wheel in choice.wheels] == [expected.split(maxsplit=1)[0], "numpy"]
    assert choice.pip.name == "pip"
    newer = {"ai-edge-litert 2.3.0": 0, "ai-edge-litert 1.4.0": 1, "tflite-runtime 2.14.0": 2}[expected]
    assert len(told) == newer
    assert all("needs GLIBC_2.3" in one for one in told)


def test_the_numpy_of_the_board(folder: Path) -> None:
    """Where the board's NumPy serves, none is sent."""
    choice, _ = chosen(board(python("3.11.2", "1.24.2")), folder)
    assert [wheel.name for wheel in choice.wheels] == ["ai-edge-litert"]


@pytest.mark.slow
@pytest.mark.parametrize(("pillow", "sent"), [("", True), ("8.1.2", True), ("9.1.0", False), ("unknown", False)])
def test_pillow(folder: Path, pillow: str, sent: bool) -> None:
    """Pillow comes along where the board's Python has none that serves; an environment's own is not seen in ours."""
    make_wheel(folder, "pillow-11.3.0-cp311-cp311-manylinux_2_27_aarch64.whl", ("PIL/lib.so", library("2.27", AARCH64)))
    choice, told = chosen(board(python("3.11.2", "1.24.2", pillow=pillow)), folder)
    assert [wheel.name for wheel in choice.wheels] == ["ai-edge-litert", *(["pillow"] if sent else [])]
    assert told == []
    own = chosen(board(python("3.11.2", "1.24.2", pillow="9.1.0", environment=True)), folder)[0]
    assert [wheel.name for wheel in own.wheels] == ["ai-edge-litert", "numpy", "pillow"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wheel", "why"),
    [
        ("", "has no pillow for Python 3.11 on aarch64"),
        ("pillow-11.3.0-cp311-cp311-manylinux_2_27_aarch64.whl", "lib.so needs GLIBC_2.99"),
    ],
)
def test_no_pillow_is_no_failure(folder: Path, wheel: str, why: str) -> None:
    """Where there is no Pillow that fits, one line says so, and the rest is chosen as ever."""
    if wheel:
        make_wheel(folder, wheel, ("PIL/lib.so", library("2.99", AARCH64)))
    choice, told = chosen(board(python("3.11.2", "1.24.2", pillow="")), folder)
    assert [wheel.name for wheel in choice.wheels] == ["ai-edge-litert"]
    assert len(told) == 1
    assert why in told[0]
    assert "apt install python3-pil" in told[0]


@pytest.mark.slow
def test_the_runtime_that_is_wanted(folder: Path) -> None:
    """A runtime that a person names is chosen though another would come first."""
    assert chosen(board(python("3.11.2")), folder, "tflite-runtime")[0].stack.words == "tflite-runtime 2.14.0"


def test_another_python(folder: Path) -> None:
    """If nothing fits the first Python, the next is tried."""
    old, fit = python("3.8.10", path="/usr/bin/python3"), python("3.11.2", path="/opt/python3.11")
    assert chosen(board(old, fit), folder)[0].interpreter == fit


def test_nothing_fits(folder: Path) -> None:
    """All reasons are told, of every Python and every runtime; exit code 6."""
    old = board(python("3.8.10"), python("3.11.2", path="/opt/python3.11"), libc="glibc 2.24")
    with pytest.raises(IncompatibleError) as caught:
        chosen(old, folder)
    told = caught.value.message
    assert "is Python 3.8.10" in told
    for glibc in ("2.34", "2.30", "2.27"):
        assert f"needs GLIBC_{glibc} (the board has 2.24)" in told
    assert caught.value.exit_code == 6


def test_no_python_at_all(folder: Path) -> None:
    """A board without Python is refused with the command that brings one."""
    with pytest.raises(IncompatibleError, match="no Python on the board") as caught:
        chosen(board(), folder)
    assert "apt install python3" in caught.value.hint


@pytest.mark.slow
def test_a_folder_without_numpy(folder: Path) -> None:
    """A folder that lacks NumPy, which the board lacks too, is refused by that name."""
    (folder / NUMPY).unlink()
    with pytest.raises(IncompatibleError, match=r"has no numpy>=1\.23\.2,<2 for Python 3\.11 on aarch64"):
        chosen(board(python("3.11.2")), folder)


@pytest.mark.slow
def test_a_folder_without_pip(folder: Path) -> None:
    """A folder must hold pip as well: the board may have none."""
    (folder / "pip-26.3-py3-none-any.whl").unlink()
    with pytest.raises(IncompatibleError, match=r"has no pip for Python 3\.11"):
        chosen(board(python("3.11.2")), folder)


def test_an_empty_folder(tmp_path: Path) -> None:
    """An empty folder is an error of use, not of the board."""
    with pytest.raises(UsageError, match="has no wheels"):
        chosen(board(python("3.11.2")), tmp_path)


@pytest.mark.slow
def test_a_folder_with_numpy_2_only(folder: Path) -> None:
    """Rather NumPy 1 beside Debian's packages of Python 3.11; NumPy 2 where there is no other; never for tflite."""
    (folder / NUMPY).unlink()
    make_wheel(folder, NUMPY.replace("1.26.4", "2.4.6"))
    choice, _ = chosen(board(python("3.11.2")), folder)
    assert [(wheel.name, wheel.version) for wheel in choice.wheels] == [("ai-edge-litert", "2.3.0"), ("numpy", "2.4.6")]
    with pytest.raises(IncompatibleError, match="has no numpy"):
        chosen(board(python("3.11.2")), folder, "tflite-runtime")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("survey", "expected"),
    [
        (board(python("3.11.2")), "ai-edge-litert 2.3.0 numpy 1.26.4"),
        (board(python("3.9.2", "1.19.5"), **BULLSEYE), "ai-edge-litert 2.1.0 numpy 1.26.4"),
        (board(python("3.9.18"), libc="glibc 2.28", libstdcxx="3.4.25"), "tflite-runtime 2.14.0 numpy 1.26.4"),
        (board(python("3.13.5", "2.2.4"), libc="glibc 2.41", libstdcxx="3.4.33"), "ai-edge-litert 2.3.0"),
        (board(python("3.11.2", "1.24.2", 32), userland="armhf"), "tflite-runtime 2.14.0"),
        (board(python("3.9.2", "1.19.5", 32), userland="armhf", **BULLSEYE), "tflite-runtime 2.11.0"),
    ],
)
def test_from_the_index(survey: Survey, expected: str, registry: None) -> None:
    """With the real index the systems that are out there get these."""
    choice = choose(survey, survey.pythons, Wish(), lambda event: None)
    assert " ".join(f"{wheel.name} {wheel.version}" for wheel in choice.wheels) == expected
