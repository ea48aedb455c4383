"""The interpreter wrapper with the real runtime, and what it says when there is none or it cannot serve."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from bramble_agent import installed, runtime
from bramble_agent.errors import BadRequest, ModelRejected, OperatorMissing, RuntimeMissing
from bramble_agent.wire import RuntimeFact
from making import INT8_INPUT, INT8_OUTPUT, PICTURES, float_answers, int8_answers, make_golden, make_model

BROKEN = 'raise ImportError("libc.so.6: version `GLIBC_2.34\' not found")'


@pytest.mark.parametrize("threads", [1, 2])
def test_integer_model_answers_exactly(threads: int) -> None:
    """The int8 layer gives the answers of exact arithmetic, whatever the number of threads."""
    engine = runtime.load(make_model(), threads)
    for value, expected in zip(make_golden()["input_0"], int8_answers(), strict=True):
        (got,) = engine.run(value[None])
        assert got.dtype == np.int8
        assert got.tolist() == [expected.tolist()]


def test_float_model_answers() -> None:
    """The float32 layer gives the exact answers within rounding."""
    engine = runtime.load(make_model("float32"))
    for picture, expected in zip(PICTURES, float_answers(), strict=True):
        (got,) = engine.run((picture[None] / 255.0).astype(np.float32))
        assert np.allclose(got, [expected], rtol=0, atol=1e-5)


def test_tensor_specs() -> None:
    """Name, shape, dtype, scale and zero point are those the model was packed with."""
    engine = runtime.load(make_model())
    assert engine.inputs == (INT8_INPUT,)
    assert engine.outputs == (INT8_OUTPUT,)


def test_path_and_bytes_load_alike(tmp_path: Path) -> None:
    """A model on disk is the same model as its bytes."""
    (tmp_path / "m.tflite").write_bytes(make_model())
    value = make_golden()["input_0"][:1]
    assert (
        runtime.load(tmp_path / "m.tflite").run(value)[0].tolist() == runtime.load(make_model()).run(value)[0].tolist()
    )


def test_output_is_a_copy() -> None:
    """An output that was read stays as it is when the model runs again."""
    engine = runtime.load(make_model())
    values = make_golden()["input_0"]
    (first,) = engine.run(values[:1])
    engine.run(values[2:3])
    assert first.tolist() == [int8_answers()[0].tolist()]


def test_says_who_answered() -> None:
    """The runtime is named with its installed version, and its family of kernels with the machine."""
    engine = runtime.load(make_model())
    family, machine = engine.kernels.split("/")
    assert (engine.runtime.split()[0], family) in {("ai-edge-litert", "xnnpack"), ("tflite-runtime", "builtin")}
    assert machine == os.uname().machine
    assert engine.runtime == " ".join(vars(installed.available()[0]).values())


@pytest.mark.parametrize("rubbish", [b"", b"x", b"\0" * 64, b"PK\x03\x04" * 100, make_model()[:40]])
def test_rubbish_is_rejected(rubbish: bytes) -> None:
    """Bytes that are no model are refused as such."""
    with pytest.raises(ModelRejected, match="does not load the model"):
        runtime.load(rubbish)


def test_absent_model_is_rejected(tmp_path: Path) -> None:
    """A path without a file is refused, naming it."""
    with pytest.raises(ModelRejected, match=r"nothing\.tflite"):
        runtime.load(tmp_path / "nothing.tflite")


@pytest.mark.parametrize(
    ("model", "operator"),
    [
        (make_model(custom="Raspberry"), "custom operator Raspberry"),
        (make_model(custom="edgetpu-custom-op"), "custom operator edgetpu-custom-op"),
        (make_model(custom="ns.Op"), r"custom operator ns\.Op"),
        (make_model(custom="FlexErf"), "TensorFlow operator FlexErf"),
        (make_model(version=99), "operator FULLY_CONNECTED version 99"),
        (make_model(builtin=9999), "operator number 9999"),
    ],
)
def test_missing_operator_is_named(model: bytes, operator: str) -> None:
    """A custom, Flex, too new or unknown operator is named, so that one knows what to change."""
    with pytest.raises(OperatorMissing, match=f"lacks {operator}$"):
        runtime.load(model)


@pytest.mark.parametrize("threads", [0, -1, 257, 10**30])
def test_impossible_threads(threads: int) -> None:
    """A number of threads that cannot be is the request's fault, not the model's."""
    with pytest.raises(BadRequest, match="threads"):
        runtime.load(make_model(), threads)


def test_threads_are_started() -> None:
    """Four threads asked for are three started beside the caller's own, seen in the kernel's list of this process."""
    tasks = Path("/proc/self/task")
    before = len(list(tasks.iterdir()))
    engine = runtime.load(make_model(), 4)
    engine.run(make_golden()["input_0"][:1])
    if not engine.kernels.startswith("xnnpack/"):
        pytest.skip("the built-in kernels start their threads only for big layers")
    assert len(list(tasks.iterdir())) - before == 3


def fake_runtime(folder: Path, module: str, code: str) -> None:
    """A package that looks like a runtime, with ``code`` as its interpreter module."""
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text("")
    (folder / module / "interpreter.py").write_text(code)
    (folder / f"{module}-9.9.dist-info").mkdir()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first where modules are looked for; real runtimes count as not imported yet."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in list(sys.modules):
        if name.partition(".")[0] in {"ai_edge_litert", "tflite_runtime"}:
            monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_broken_runtime_says_why(path: Path) -> None:
    """A runtime that is installed but does not import (here: an old glibc) is reported with the reason."""
    fake_runtime(path, "ai_edge_litert", BROKEN)
    fake_runtime(path, "tflite_runtime", "raise AttributeError('_ARRAY_API not found')")
    with pytest.raises(RuntimeMissing) as caught:
        runtime.load(b"")
    assert "ai-edge-litert is installed but does not import: libc.so.6: version `GLIBC_2.34'" in caught.value.message
    assert "tflite-runtime is installed but does not import: _ARRAY_API not found" in caught.value.message
    assert "pip install" in caught.value.hint


def test_broken_runtime_falls_through(path: Path) -> None:
    """If the preferred runtime does not import, the next one serves, with its own name, version and kernels."""
    fake_runtime(path, "ai_edge_litert", BROKEN)
    fake_runtime(path, "tflite_runtime", "class Interpreter:\n    def __init__(self, **_): raise ValueError('mine')")
    with pytest.raises(ModelRejected, match=r"^tflite-runtime 9\.9 does not load the model: mine$"):
        runtime.load(b"")


def test_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any runtime the refusal names this Python and how to install one."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeMissing, match=f"no TFLite runtime for {sys.executable}") as caught:
        runtime.load(b"")
    assert "pip install ai-edge-litert" in caught.value.hint


def test_available_looks_without_importing(path: Path) -> None:
    """Installed runtimes are listed with versions, the preferred first, even if they would fail to import."""
    fake_runtime(path, "tflite_runtime", BROKEN)
    fake_runtime(path, "ai_edge_litert", BROKEN)
    assert installed.available() == (RuntimeFact("ai-edge-litert", "9.9"), RuntimeFact("tflite-runtime", "9.9"))
    assert "ai_edge_litert.interpreter" not in sys.modules


@pytest.mark.parametrize(
    ("entry", "version"),
    [
        ("oddmodule-1.24.2.dist-info", "1.24.2"),
        ("Oddmodule-9.4.0.egg-info", "9.4.0"),  # Debian's own packages
        ("oddmodule-2.0-py3.11.egg-info", "2.0"),
        ("oddmodule-2.1.0rc1.dist-info", "2.1.0rc1"),
        ("oddmodule_more-1.0.dist-info", None),
        ("notoddmodule-1.0.dist-info", None),
        ("oddmodule-1.0.dist-info.bak", None),
    ],
)
def test_version_of(entry: str, version: str | None, path: Path) -> None:
    """A version is read off pip's and off Debian's kind of metadata, and off nothing that merely looks alike."""
    (path / entry).mkdir()
    assert installed.version_of("oddmodule") == version
