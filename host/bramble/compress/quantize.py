"""Lower a trained model to TFLite by one of five schemes, then audit the file (Jacob et al. 2018, 1712.05877).

    int8     real = scale·(q − zero_point); activations one scale a tensor from calibration, kernels one a channel
    int16x8  the same with 16-bit activations: for models that lose accuracy in int8
    dynamic  int8 kernels, float activations; float16: half-size kernels; float32: as trained

Calibration pictures come from the training set. The float32 file is made too, as the yardstick for size and accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.audit import Audit, audit, demand
from bramble.convert import convert
from bramble.errors import AuditError
from bramble.recipe import Quantize
from bramble.tflite import read_graph
from bramble.work import Work
from bramble_agent import runtime
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import TensorSpec

AUDITED = 64
FLOAT = TensorSpec("", (), "float32")


@dataclass(frozen=True)
class Quantized:
    """The lowered model, the float32 file beside it, and the audit."""

    tflite: bytes
    float_tflite: bytes
    audit: Audit


def quantize(model: keras.Model, how: Quantize, work: Work) -> Quantized:
    """Lower ``model`` as ``how`` says.

    Raises IncompatibleError where an operator cannot be lowered, AuditError where the result is not what was asked.
    """
    training = work.data.train
    chosen = np.random.default_rng(work.seed).permutation(len(training))[: how.calibration]
    real = to_input(training.take(chosen).pixels, table(work.pixels, FLOAT))

    def samples() -> Iterator[list[NDArray[Any]]]:
        for picture in real:
            yield [picture[None]]

    as_float = convert(model, "float32", samples)
    lowered = as_float if how.scheme == "float32" else convert(model, how.scheme, samples)
    found = _audit(model, lowered, how, work)
    demand(found)
    return Quantized(lowered, as_float, found)


def _audit(model: keras.Model, lowered: bytes, how: Quantize, work: Work) -> Audit:
    pictures, pixels = work.data.held_out.pixels[:AUDITED], work.pixels
    expected = np.asarray(model(to_input(pictures, table(pixels, FLOAT)), training=False))
    engine = runtime.load(lowered)
    inputs = to_input(pictures, table(pixels, engine.inputs[0]))
    try:
        got = np.concatenate([engine.run(one[None])[0] for one in inputs])
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise AuditError(f"the {how.scheme} model does not run: {said}", "use another scheme") from error
    return audit(read_graph(lowered), how.scheme, how.max_mean_lsb, expected, got, engine.outputs[0])
