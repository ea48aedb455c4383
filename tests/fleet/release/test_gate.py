"""The gate before the first byte: every reason by name, and nothing refused for what is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bramble.bundle import load_bundle
from bramble.errors import IncompatibleError
from bramble.fleet.release.gate import check_fit
from bramble_agent.wire import BoardFacts, Manifest, Operator, RuntimeFact
from making import INT8_INPUT, make_bundle

MB = 1_000_000
OLD, NEW = RuntimeFact("tflite-runtime", "2.14.0"), RuntimeFact("ai-edge-litert", "1.0.1")
BOARD = BoardFacts(
    model="Raspberry Pi 3 Model B",
    hostname="pi",
    machine="armv7l",
    userland_bits=32,
    system="Raspbian 12",
    kernel="6.6",
    libc="glibc 2.36",
    python="3.11.2",
    cpu="Cortex-A53",
    cores=4,
    memory_bytes=900 * MB,
    memory_available_bytes=600 * MB,
    disk_free_bytes=4000 * MB,
    clock_s=0.0,
    runtimes=(OLD,),
    numpy="1.26.4",
    pillow=None,
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """A tiny int8 model's."""
    return load_bundle(make_bundle(tmp_path / "b")).manifest


def refused(manifest: Manifest, missing_bytes: int = 1000, **facts: Any) -> IncompatibleError:
    """Why a board with other facts cannot run it."""
    with pytest.raises(IncompatibleError) as caught:
        check_fit(manifest, replace(BOARD, **facts), missing_bytes, "pi")
    assert caught.value.exit_code == 6
    assert caught.value.hint
    return caught.value


def test_fits(manifest: Manifest) -> None:
    """A board that has all is let through, with either runtime."""
    check_fit(manifest, BOARD, 1000, "pi")
    check_fit(manifest, replace(BOARD, runtimes=(NEW, OLD)), 1000, "pi")


def test_nothing_to_run_it(manifest: Manifest) -> None:
    """A board without a runtime, or without NumPy, is to be set up."""
    error = refused(manifest, runtimes=())
    assert (error.message, error.hint) == ("pi: there is no TFLite runtime on the board", "bramble board setup pi")
    assert refused(manifest, numpy=None).message == "pi: there is no numpy on the board"


@pytest.mark.parametrize(
    ("operator", "told"),
    [
        (Operator("FULLY_CONNECTED", 11, 1), "no FULLY_CONNECTED version 11"),
        (Operator("DILATE", 1, 1), "no DILATE version 1"),
        (Operator("CUSTOM:FlexErf", 1, 1), "no CUSTOM:FlexErf version 1"),
    ],
)
def test_operators(operator: Operator, told: str, manifest: Manifest) -> None:
    """An operator, or a version, that tflite-runtime 2.14 lacks; LiteRT has what our converter makes."""
    odd = replace(manifest, operators=(*manifest.operators, operator))
    assert f"tflite-runtime 2.14.0 has {told}" in refused(odd).message
    check_fit(odd, replace(BOARD, runtimes=(NEW, OLD)), 1000, "pi")


def test_several_operators(manifest: Manifest) -> None:
    """All of them are told at once."""
    odd = replace(manifest, operators=(Operator("CONV_2D", 8, 3), Operator("ADD", 5, 1), Operator("DIV", 3, 1)))
    assert "has no CONV_2D version 8, DIV version 3" in refused(odd).message


def test_operators_it_has(manifest: Manifest) -> None:
    """The newest versions in its table, and its four custom operators, pass."""
    names = ("AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess")
    has = (Operator("CONV_2D", 7, 9), *(Operator(f"CUSTOM:{name}", 1, 1) for name in names))
    check_fit(replace(manifest, operators=has), BOARD, 1000, "pi")


@pytest.mark.parametrize(
    ("needs", "has"), [("2.15.0", "2.14.0"), ("2.3.1", "2.3.0"), ("2.10.0", "2.9.9"), ("2.5", "2.4.0")]
)
def test_older_runtime(needs: str, has: str, manifest: Manifest) -> None:
    """Versions are numbers, not text."""
    error = refused(replace(manifest, minimum_runtime=needs), runtimes=(RuntimeFact("tflite-runtime", has),))
    assert f"it needs TensorFlow Lite {needs}, the board has tflite-runtime {has}" in error.message


@pytest.mark.parametrize(
    ("needs", "has"),
    [("2.14.0", "2.14"), ("2.14", "2.14.0"), ("2.5.0", "2.5.0.post1"), ("", "2.5.0"), ("2.11.0", "unknown"), ("x", "")],
)
def test_runtime_that_may_do(needs: str, has: str, manifest: Manifest) -> None:
    """The same version written otherwise, and versions that nobody knows."""
    check_fit(
        replace(manifest, minimum_runtime=needs),
        replace(BOARD, runtimes=(RuntimeFact("tflite-runtime", has),)),
        1,
        "pi",
    )


def test_newer_than_the_table(manifest: Manifest) -> None:
    """A tflite-runtime that somebody built later may have what the table does not know."""
    odd = replace(manifest, operators=(Operator("CONV_2D", 8, 1),))
    check_fit(odd, replace(BOARD, runtimes=(RuntimeFact("tflite-runtime", "2.17.1"),)), 1000, "pi")


@pytest.mark.parametrize("kind", ["int32", "float64", "bool", "complex64"])
def test_dtypes(kind: str, manifest: Manifest) -> None:
    """A tensor that the agent cannot feed or read."""
    error = refused(replace(manifest, inputs=(replace(INT8_INPUT, dtype=kind),)))
    assert f"a tensor of {kind} cannot be fed or read" in error.message
    assert f"a tensor of {kind}" in refused(replace(manifest, outputs=(replace(INT8_INPUT, dtype=kind),))).message


def test_memory(manifest: Manifest) -> None:
    """The model and what runs it must fit into what is free."""
    files = {**manifest.files, "model.tflite": replace(manifest.files["model.tflite"], size_bytes=500 * MB)}
    big = replace(manifest, files=files)
    check_fit(big, BOARD, 1000, "pi")
    assert "it needs 550 MB of memory or more, 549 MB are free" in refused(big, memory_available_bytes=549 * MB).message


def test_space(manifest: Manifest) -> None:
    """What is sent must fit on the disk twice, packed and unpacked; where nothing is sent nothing is needed."""
    error = refused(manifest, 100 * MB, disk_free_bytes=200 * MB)
    assert "it needs 201 MB of free space, there are 200 MB" in error.message
    check_fit(manifest, replace(BOARD, disk_free_bytes=202 * MB), 100 * MB, "pi")
    check_fit(manifest, replace(BOARD, disk_free_bytes=0), 0, "pi")


def test_what_is_unknown_passes(manifest: Manifest) -> None:
    """A board that does not say how much memory or space it has is given the chance."""
    check_fit(manifest, replace(BOARD, memory_available_bytes=None, disk_free_bytes=None), 1 << 40, "pi")


def test_every_reason_at_once(manifest: Manifest) -> None:
    """One refusal tells all, and what to do about the first."""
    odd = replace(
        manifest,
        operators=(Operator("CONV_2D", 8, 1),),
        minimum_runtime="2.16.1",
        inputs=(replace(INT8_INPUT, dtype="bool"),),
    )
    error = refused(odd, 100, memory_available_bytes=1, disk_free_bytes=1)
    assert error.message.startswith("pi cannot run tiny-int8: tflite-runtime 2.14.0 has no CONV_2D version 8; ")
    assert error.message.count("; ") == 4
    assert "ai-edge-litert" in error.hint
