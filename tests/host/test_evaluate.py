"""Scores against a plain loop over the interpreter, with the preprocessing written out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from bramble.compress.quantize import Quantized
from bramble.datasets.types import Dataset, Images
from bramble.evaluate import evaluate, evaluate_keras
from bramble_agent.wire import Pixels

from .conftest import GRAY8

Lower = Callable[[str], Quantized]


def by_hand(model: bytes, images: Images, low: float, high: float) -> float:
    """Accuracy, one picture and one pixel value at a time, with real = low + p·(high − low)/255."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = given["quantization"]
    limits = np.iinfo(given["dtype"]) if scale else None
    right = 0
    for picture, label in zip(images.pixels, images.labels, strict=True):
        real = low + picture[None].astype(np.float64) * (high - low) / 255
        if limits is not None:
            real = np.clip(np.round(real / scale) + zero_point, limits.min, limits.max)
        interpreter.set_tensor(given["index"], real.astype(given["dtype"]))
        interpreter.invoke()
        right += int(interpreter.get_tensor(answer["index"])[0].argmax() == label)
    return right / len(images.labels)


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic", "int8", "int16x8"])
def test_score_is_that_of_a_plain_loop(lowered: Lower, digits: Dataset, scheme: str) -> None:
    """Every scheme's score on the test set is the plain loop's, and far from guessing."""
    model = lowered(scheme).tflite
    score = evaluate(model, digits.test, GRAY8)
    assert score == by_hand(model, digits.test, 0.0, 1.0)
    assert score > 0.8


def test_preprocessing_is_the_bundles(lowered: Lower, digits: Dataset) -> None:
    """The range given is the one applied: a wrong one costs accuracy, as in the plain loop."""
    model = lowered("int8").tflite
    score = evaluate(model, digits.test, Pixels(8, 8, "gray", 0.9, 1.0))
    assert score == by_hand(model, digits.test, 0.9, 1.0)
    assert score < evaluate(model, digits.test, GRAY8)


def test_path_and_bytes_score_alike(lowered: Lower, digits: Dataset, tmp_path: Path) -> None:
    """A file scores as its bytes do, with any number of threads."""
    path = tmp_path / "model.tflite"
    path.write_bytes(lowered("int8").tflite)
    few = digits.test.take(np.arange(60))
    assert evaluate(path, few, GRAY8, threads=1) == evaluate(path.read_bytes(), few, GRAY8, threads=4)


def test_keras_score_is_that_of_a_plain_loop(trained: keras.Model, digits: Dataset) -> None:
    """A Keras model scores, over more than one batch, as when asked picture by picture."""
    images = digits.train.take(np.arange(600))
    answers = trained.predict_on_batch(images.pixels / 255.0)
    right = sum(int(max(range(10), key=row.__getitem__) == n) for row, n in zip(answers, images.labels, strict=True))
    assert evaluate_keras(trained, images, GRAY8) == right / 600


def test_float_file_scores_as_the_keras_model(lowered: Lower, trained: keras.Model, digits: Dataset) -> None:
    """Lowering to float32 changes no answer of the test set."""
    assert evaluate(lowered("float32").tflite, digits.test, GRAY8) == evaluate_keras(trained, digits.test, GRAY8)
