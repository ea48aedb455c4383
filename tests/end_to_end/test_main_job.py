"""The main job, as a newcomer does it: one command from a recipe's name to a judged measurement on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from running import bramble


def score(model: bytes, pictures: NDArray[Any], labels: NDArray[Any]) -> float:
    """Top-1 accuracy of a .tflite, with nothing of Bramble's: pictures as real values 0..1 through its own scale."""
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    (given,), (got,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = given["quantization"]
    right = 0
    for picture, label in zip(pictures, labels, strict=True):
        value = picture.reshape(1, 8, 8, 1)
        if scale:
            value = np.clip(np.round(value / scale + zero_point), -128, 127)
        interpreter.set_tensor(given["index"], value.astype(given["dtype"]))
        interpreter.invoke()
        right += int(interpreter.get_tensor(got["index"])[0].argmax()) == int(label)
    return right / len(labels)


@pytest.mark.slow
def test_from_a_name_to_a_verdict(tmp_path: Path) -> None:
    """The digits recipe trains, ships and passes from nothing; its scores are those of an independent count."""
    first = bramble("deploy", "digits-int8", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "[1/4] train …" in first.stderr
    assert " PASS" in first.stdout
    assert "✓ p95 latency" in first.stdout
    page = tmp_path / first.stdout.splitlines()[-1].removeprefix("report  ")
    assert page.read_text().startswith("<!doctype html>")
    made = json.loads(page.with_name("report.json").read_text())

    from sklearn.datasets import load_digits

    digits = load_digits()
    # the recipe's pictures are 8-bit: 17 grey levels spread over 0..255, and those become 0..1
    pictures, labels = np.round(digits.images[-360:] * (255 / 16)) / 255, digits.target[-360:]
    (bundle,) = (tmp_path / "runs" / "digits-int8").glob("*/bundle")
    (as_float,) = (tmp_path / "runs" / ".artifacts").glob("*/float.tflite")
    shipped = score((bundle / "model.tflite").read_bytes(), pictures, labels)
    assert made["accuracy"] == {
        "float": score(as_float.read_bytes(), pictures, labels),
        "shipped": shipped,
        "tested": 360,
    }
    assert shipped >= 0.9
    assert made["size"]["model_bytes"] == (bundle / "model.tflite").stat().st_size
    assert made["size"]["float_bytes"] == as_float.stat().st_size

    second = bramble("deploy", "digits-int8", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert second.stdout.startswith(f"everything was built before: {bundle.parent.relative_to(tmp_path)} ")
    assert [line for line in second.stderr.splitlines() if line.endswith("…")] == []
    assert "already there, nothing sent" in second.stderr
