"""Findings about Pythons, C libraries and runtimes."""

from __future__ import annotations

from typing import Any

import pytest

from bramble.fleet.findings.findings import findings
from fleet.boards import interpreter, ready

BARE = {"runtimes": (), "numpy": "", "pillow": ""}
ARMHF = {"userland": "armhf", "machine": "armv7l"}
TFLITE = {"runtimes": ("tflite-runtime 2.14.0",), "numpy": "1.26.4"}
SETUP = "`bramble board setup` installs"
OLD = {"version": "3.7.3", "path": "/usr/bin/python3"}
OTHER = {"path": "/home/pi/.bramble/venv/bin/python", "environment": True}


def told(**changes: Any) -> dict[str, tuple[str, str, str]]:
    """The findings of a ready board with changes, by name."""
    return {one.name: (one.level, one.said, one.what_to_do) for one in findings(ready(**changes))}


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_32_bit_userland(machine: str) -> None:
    """A 32-bit userland under a 64-bit kernel is told as such; under a 32-bit kernel it is what one expects."""
    pythons = (interpreter(**TFLITE),)
    found = told(machine=machine, userland="armhf", pythons=pythons)
    assert found["userland-32-bit"][:2] == ("warning", "64-bit kernel, 32-bit userland: tflite-runtime only")
    assert told(**ARMHF, pythons=pythons) == {}


def test_no_python() -> None:
    """Without Python that is the finding, with the line that installs it, and nothing is said of runtimes."""
    found = told(pythons=(), missing_pythons=("python3",))
    assert list(found) == ["no-python"]
    assert found["no-python"] == (
        "problem",
        "there is no Python on the board",
        "sudo apt install python3 python3-venv",
    )


def test_named_python_is_not_there() -> None:
    """Where the inventory names one that is not there, another is proposed."""
    level, said, advice = told(missing_pythons=("/no/such/python3",))["python-not-found"]
    assert level == "problem"
    assert "'/no/such/python3'" in said
    assert "--python /usr/bin/python3" in advice


def test_broken_python() -> None:
    """A Python that does not run is told with what it said."""
    found = told(broken_pythons=("/opt/python3: libpython3.12.so: cannot open",))
    assert list(found) == ["python-broken"]
    assert found["python-broken"][0] == "warning"
    assert "libpython3.12.so" in found["python-broken"][1]
    alone = told(pythons=(), broken_pythons=("/usr/bin/python3: no module json",))
    assert [(name, level) for name, (level, _, _) in alone.items()] == [("python-broken", "problem")]


def test_python_too_old() -> None:
    """Python 3.8 is too old, 3.9 is not; a newer one on the same board is proposed."""
    found = told(pythons=(interpreter(**OLD),))
    assert list(found) == ["python-too-old"]
    assert "3.7.3" in found["python-too-old"][1]
    assert "Debian 11" in found["python-too-old"][2]
    named = (interpreter(**OLD, named=True), interpreter(**OTHER))
    assert OTHER["path"] in told(pythons=named)["python-too-old"][2]
    assert told(pythons=(interpreter("3.9.2"),)) == {}
    assert "python-too-old" in told(pythons=(interpreter("3.8.10"),))


def test_no_venv() -> None:
    """Debian without python3-venv: the line that installs it; one Python that can is enough."""
    found = told(pythons=(interpreter(venv=False),))
    assert found == {
        "no-venv": (
            "warning",
            "no Python on the board can make virtual environments",
            "sudo apt install python3-venv",
        )
    }
    assert told(pythons=(interpreter(venv=False), interpreter(**OTHER))) == {}


@pytest.mark.parametrize(
    ("version", "too_new"), [("3.12.3", True), ("3.13.5", True), ("3.11.2", False), ("3.9.2", False)]
)
def test_python_too_new_for_32_bit(version: str, too_new: bool) -> None:
    """On 32 bit the last runtime is for Python 3.11; where there is an older Python too, it can serve."""
    found = told(**ARMHF, pythons=(interpreter(version, bits=32, **BARE),))
    assert ("python-too-new" in found) == too_new
    assert ("no-runtime" in found) == (not too_new)
    if too_new:
        assert found["python-too-new"][0] == "problem"
        assert "ends at 3.11" in found["python-too-new"][1]
        pythons = (interpreter(version, bits=32, **BARE), interpreter(bits=32, **BARE))
        assert "python-too-new" not in told(**ARMHF, pythons=pythons)
    assert "python-too-new" not in told(pythons=(interpreter(version, **BARE),))


def test_no_runtime() -> None:
    """A Python without a runtime is told what fits it."""
    found = told(pythons=(interpreter(**BARE),))
    assert found == {
        "no-runtime": (
            "problem",
            "/usr/bin/python3 has no TFLite runtime",
            f"{SETUP} ai-edge-litert 2.3.0",
        )
    }


def test_runtime_in_another_python() -> None:
    """The named Python counts: one with a runtime beside it is proposed, not taken."""
    elsewhere = "/opt/python/bin/python3"
    pythons = (interpreter(**BARE, named=True), interpreter(**{**OTHER, "path": elsewhere}))
    level, said, advice = told(pythons=pythons)["no-runtime"]
    assert (level, said) == ("problem", "/usr/bin/python3 has no TFLite runtime")
    assert f"--python {elsewhere}" in advice
    assert told(pythons=(interpreter(named=True), interpreter(**{**OTHER, **BARE}))) == {}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"libc": "musl 1.2", "libstdcxx": ""}, "musl"),
        ({"userland": "armhf", "machine": "armv6l"}, "armv6"),
        ({"userland": "riscv64", "machine": "riscv64"}, "architecture"),
        ({"userland": "armel", "machine": "armv7l"}, "architecture"),
    ],
)
def test_nothing_is_built_for_it(changes: dict[str, Any], name: str) -> None:
    """Where no runtime is built for a board the reason is told once, and no runtime is asked for."""
    found = told(**changes, pythons=(interpreter(**BARE),))
    assert list(found) == [name]
    assert found[name][0] == "problem"


@pytest.mark.parametrize(
    ("libc", "version", "level", "advice"),
    [
        ("glibc 2.31", "3.9.2", "warning", f"{SETUP} ai-edge-litert 2.1.0"),
        ("glibc 2.28", "3.9.2", "warning", f"{SETUP} tflite-runtime 2.14.0"),
        ("glibc 2.31", "3.14.0", "problem", "update"),
        ("glibc 2.24", "3.9.2", "problem", "update"),
    ],
)
def test_old_glibc(libc: str, version: str, level: str, advice: str) -> None:
    """Older than 2.34 is told, with the runtime that fits."""
    found = told(libc=libc, pythons=(interpreter(version, **BARE),))["glibc-too-old"]
    assert found[0] == level
    assert libc in found[1]
    assert advice in found[2]


def test_glibc_that_is_new_enough() -> None:
    """2.34 is enough; a 32-bit board needs 2.27 only, for tflite-runtime."""
    assert told(libc="glibc 2.34") == {}
    tflite = (interpreter(**TFLITE),)
    assert told(**ARMHF, libc="glibc 2.27", pythons=tflite) == {}
    assert "glibc-too-old" in told(**ARMHF, libc="glibc 2.26", pythons=tflite)


def test_libstdcxx() -> None:
    """Missing is a problem, too old for LiteRT 2 a warning, 3.4.30 is enough."""
    assert told(libstdcxx="")["libstdcxx-missing"][::2] == ("problem", "sudo apt install libstdc++6")
    found = told(libstdcxx="3.4.28", pythons=(interpreter(**BARE),))
    assert found["libstdcxx-too-old"][::2] == ("warning", f"{SETUP} ai-edge-litert 2.1.0")


def test_numpy_2_with_tflite_runtime() -> None:
    """The pair that imports and dies: named, with the line that repairs it; LiteRT takes NumPy 2."""
    found = told(**ARMHF, pythons=(interpreter(**{**TFLITE, "numpy": "2.0.1"}),))
    assert found["numpy-2-with-tflite-runtime"][0] == "problem"
    assert found["numpy-2-with-tflite-runtime"][2].startswith("`bramble board setup` makes an environment")


@pytest.mark.parametrize("runtime", ["tflite-runtime 2.14.0", "ai-edge-litert 2.3.0"])
def test_no_numpy(runtime: str) -> None:
    """A runtime without NumPy beside it cannot be used."""
    found = told(pythons=(interpreter(runtimes=(runtime,), numpy=""),))
    assert found["no-numpy"][::2] == ("problem", "`bramble board setup` makes an environment of its own with what fits")


def test_environment_of_a_setup_that_is_not_in_use() -> None:
    """Where the named Python has no runtime and the environment of a setup has, a setup takes that into use."""
    pythons = (interpreter(**BARE, named=True), interpreter(**OTHER))
    assert told(pythons=pythons)["no-runtime"][2].startswith(f"`bramble board setup` takes {OTHER['path']} into use")


def test_32_bits_without_numpy() -> None:
    """PyPI has no NumPy and no Pillow for 32-bit ARM: Debian's come first; where one Python has NumPy, setup alone."""
    bare, whole = interpreter(bits=32, **BARE), interpreter(bits=32, **{**BARE, "numpy": "1.24.2"})
    line = "sudo apt install python3-numpy python3-pil, then"
    assert told(**ARMHF, pythons=(bare,))["no-runtime"][2] == f"{line} {SETUP} tflite-runtime 2.14.0"
    assert told(**ARMHF, pythons=(bare, whole))["no-runtime"][2] == f"{SETUP} tflite-runtime 2.14.0"


@pytest.mark.parametrize(("pillow", "lacks"), [("", "no Pillow"), ("8.1.2", "Pillow 8.1.2, which is too old")])
def test_no_pillow(pillow: str, lacks: str) -> None:
    """Without Pillow beside a runtime no picture is decoded: worth a word, with what brings it to this board."""
    found = told(pythons=(interpreter(pillow=pillow),))
    said = f"/usr/bin/python3 has {lacks}: pictures are not decoded there"
    assert found == {"no-pillow": ("info", said, "`bramble board setup` installs it")}
    small = told(**ARMHF, pythons=(interpreter(bits=32, **{**TFLITE, "pillow": pillow}),))
    assert small["no-pillow"][2] == "sudo apt install python3-pil"
    for enough in ("9.1.0", "11.3.0", "unknown"):
        assert told(pythons=(interpreter(pillow=enough),)) == {}


def test_older_runtime() -> None:
    """Tflite-runtime where LiteRT fits is worth a word; where it does not fit, none."""
    assert told(pythons=(interpreter(**TFLITE),))["older-runtime"][0] == "info"
    assert "older-runtime" not in told(pythons=(interpreter("3.9.2", **TFLITE),))


@pytest.mark.parametrize("changes", [{"libc": "glibc 2.31"}, {"libstdcxx": "3.4.29"}])
@pytest.mark.parametrize("number", ["2.3.0", "2.1.1", "9.0"])
def test_runtime_that_does_not_load(changes: dict[str, Any], number: str) -> None:
    """LiteRT 2 that pip put on an older system: its wheel's tag lies, the import fails."""
    found = told(**changes, pythons=(interpreter(runtimes=(f"ai-edge-litert {number}",)),))["runtime-does-not-load"]
    assert found == (
        "problem",
        f"/usr/bin/python3 has ai-edge-litert {number}, whose libraries need glibc 2.34 and GLIBCXX_3.4.30",
        f"{SETUP} ai-edge-litert 2.1.0",
    )
    older = (interpreter(runtimes=("ai-edge-litert 2.1.0",)),)
    assert "runtime-does-not-load" not in told(**changes, pythons=older)


def test_older_runtime_that_does_not_load() -> None:
    """LiteRT 2.1 and what came before need glibc 2.30."""
    for number in ("2.1.0", "1.4.0"):
        pythons = (interpreter("3.9.2", runtimes=(f"ai-edge-litert {number}",)),)
        found = told(libc="glibc 2.28", pythons=pythons)["runtime-does-not-load"]
        assert "need glibc 2.30" in found[1]
        assert found[2] == f"{SETUP} tflite-runtime 2.14.0"
