"""A runtime is proved by a model whose answer is known; every way to fail is told with its cause and what to do."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from bramble.fleet.setup.proof_model import BIAS, INPUT, OUTPUT, WEIGHTS, proof
from bramble_agent import prove as module
from bramble_agent.errors import RuntimeMissing
from bramble_agent.prove import Proved, prove

RUNTIME = f"ai-edge-litert {version('ai-edge-litert')}"


def program(path: Path, script: str) -> Path:
    """A program that stands for a Python of an environment."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_answer_by_hand() -> None:
    """The proof's answer is the product of its weights and input, plus the bias."""
    assert tuple(sum(w * x for w, x in zip(row, INPUT)) + b for row, b in zip(WEIGHTS, BIAS)) == OUTPUT  # noqa: B905


def test_this_python() -> None:
    """The runtime of this environment gives the answer."""
    assert prove(Path(sys.executable), proof(), RUNTIME) == Proved(RUNTIME, version("numpy"))


def test_another_answer() -> None:
    """A wrong answer is refused with both."""
    with pytest.raises(RuntimeMissing, match=r"answers \[30\.5, 9\.5\], right is \[30\.5, 9\.0\]"):
        prove(Path(sys.executable), replace(proof(), output=(30.5, 9.0)), RUNTIME)


def test_another_runtime_answers() -> None:
    """A runtime of the system that is found first is named, with how to be rid of it."""
    with pytest.raises(RuntimeMissing, match=rf"{RUNTIME} answers instead of tflite-runtime 2\.14\.0") as caught:
        prove(Path(sys.executable), proof(), "tflite-runtime 2.14.0")
    assert "pip uninstall ai-edge-litert" in caught.value.hint


@pytest.mark.parametrize(
    ("script", "told", "hint"),
    [
        ("kill -ILL $$", "an instruction that this CPU lacks", "--runtime"),
        ("kill -SEGV $$", "killed at its first model: SIGSEGV", "--runtime"),
        (
            "echo 'ImportError: libstdc++.so.6: cannot open shared object file' >&2; exit 1",
            "libstdc++.so.6 is not there",
            "sudo apt install libstdc++6",
        ),
        (
            "echo 'ImportError: libopenblas.so.0: cannot open shared object file' >&2; exit 1",
            "libopenblas.so.0 is not there",
            "the package with libopenblas.so.0",
        ),
        (
            'echo "ImportError: /lib/libm.so.6: version \\`GLIBC_2.35\' not found" >&2; exit 1',
            "version `GLIBC_2.35' not found",
            "--runtime",
        ),
        ("exit 3", "exit status 3", "--runtime"),
        ("exit 0", "gives no answer", "set the board up again"),
        ("echo hello", "gives no answer", "set the board up again"),
        ("sleep 60", "gives no answer", "set the board up again"),
    ],
)
def test_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str, hint: str) -> None:
    """A crash, an absent library, an old C library, silence: each in one line with its way out."""
    monkeypatch.setattr(module, "PATIENCE_S", 1.0 if "sleep" in script else 60.0)
    with pytest.raises(RuntimeMissing) as caught:
        prove(program(tmp_path / "python", f"exec </dev/null; {script}"), proof(), RUNTIME)
    assert told in caught.value.message
    assert hint in caught.value.hint


def test_no_such_python(tmp_path: Path) -> None:
    """An environment whose Python is gone is to be set up again."""
    with pytest.raises(RuntimeMissing, match="gives no answer") as caught:
        prove(tmp_path / "python", proof(), RUNTIME)
    assert "set the board up again" in caught.value.hint
