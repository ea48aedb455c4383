"""The only place that knows TensorFlow's converter: a Keras model in, the bytes of a .tflite out.

Batch is fixed to 1: a dynamic batch leaves SHAPE, STRIDED_SLICE and PACK in the graph.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import keras
from numpy.typing import NDArray

from bramble.errors import IncompatibleError

Samples = Callable[[], Iterator[list[NDArray[Any]]]]


def convert(model: keras.Model, scheme: str, samples: Samples) -> bytes:
    """Lower ``model`` by ``scheme`` (float32, float16, dynamic, int8, int16x8).

    ``samples`` yields lists of float inputs of batch 1 that set the ranges of activations.
    Raises IncompatibleError with the converter's own words where it cannot.
    """
    import tensorflow as tf

    inputs = [keras.Input(batch_shape=(1, *tensor.shape[1:])) for tensor in model.inputs]
    answer = model(inputs if len(inputs) > 1 else inputs[0])
    single = keras.Model(inputs, answer, name="m")  # short: this name is in every tensor's
    converter = tf.lite.TFLiteConverter.from_keras_model(single)
    _configure(converter, scheme, samples, tf)
    return _converted(converter, model.name, scheme)


def convert_simulation(model: keras.Model) -> bytes:
    """Lower a model whose activations are rounded by fake-quant operations, and whose kernels lie on their grid.

    No pictures are needed, and none must be given: ranges and integers are those of the model. Whether everything
    became an integer is for the audit to say. Raises IncompatibleError with the converter's own words.
    """
    import tensorflow as tf

    inputs = [keras.Input(batch_shape=(1, *tensor.shape[1:]), name=tensor.name) for tensor in model.inputs]
    graph = keras.Model(model.inputs, model.outputs)  # outputs in a row, whatever structure the model gives them
    single = keras.Model(inputs, graph(inputs), name="m")
    converter = tf.lite.TFLiteConverter.from_keras_model(single)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return _converted(converter, model.name, "int8")


def _converted(converter: Any, name: str, scheme: str) -> bytes:
    with _quiet() as log:
        try:
            lowered: bytes = converter.convert()
        except Exception as error:
            raise IncompatibleError(
                f"the converter cannot lower {name} to {scheme}: {_first_words(str(error))}", _last_words(log())
            ) from error
    return lowered


def _configure(converter: Any, scheme: str, samples: Samples, tf: Any) -> None:
    if scheme == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif scheme in ("int8", "int16x8"):
        converter.representative_dataset = samples
        sets = tf.lite.OpsSet
        wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS_INT8 if scheme == "int8" else wide]
        kind = tf.int8 if scheme == "int8" else tf.int16
        converter.inference_input_type = converter.inference_output_type = kind


def _first_words(said: str) -> str:
    """What the converter's pages of compiler notes come down to."""
    lacking = sorted(set(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", said)))
    return f"TFLite has no operator {', '.join(lacking)}" if lacking else said.strip().partition("\n")[0]


def _last_words(log: str) -> str:
    lines = [line for line in log.splitlines() if "error" in line.lower()]
    return lines[-1].strip() if lines else "use operators that TFLite has"


@contextmanager
def _quiet() -> Iterator[Callable[[], str]]:
    """Catch what C++ and Python print to the terminal; the yielded function gives it back."""
    with tempfile.TemporaryFile("w+", errors="replace") as log, redirect_stdout(log), redirect_stderr(log):
        saved = os.dup(1), os.dup(2)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)

        def text() -> str:
            log.seek(0)
            return log.read()

        try:
            yield text
        finally:
            for number, handle in enumerate(saved, 1):
                os.dup2(handle, number)
                os.close(handle)
