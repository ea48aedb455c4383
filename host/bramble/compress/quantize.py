"""Lower a trained model to TFLite by one of five schemes, then audit the file (Jacob et al. 2018, 1712.05877).

    int8     real = scale·(q − zero_point); activations one scale a tensor from calibration, kernels one a channel
    int16x8  the same with 16-bit activations: for models that lose accuracy in int8
    dynamic  int8 kernels, float activations; float16: half-size kernels; float32: as trained

int8 comes out of our exporter, trained on or not; the other schemes are the converter's own. Google's ai-edge-quantizer
can stand in for either. Calibration pictures come from the training set. The float32 file is made too, as the yardstick
for size and accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.audit import Audit, Promise, audit, audit_export, demand
from bramble.convert import convert
from bramble.errors import AuditError
from bramble.quantization.ai_edge import by_ai_edge_quantizer
from bramble.quantization.export import Exported, Ready, export
from bramble.quantization.prepare import FLOAT, calibration_pictures, prepare
from bramble.recipe_quantize import Quantize
from bramble.tflite import read_graph
from bramble.work import Work
from bramble_agent import runtime
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import TensorSpec

AUDITED = 64


@dataclass(frozen=True)
class Quantized:
    """The lowered model, the float32 file beside it, and the audit."""

    tflite: bytes
    float_tflite: bytes
    audit: Audit


def quantize(model: keras.Model, how: Quantize, work: Work, trained: Ready | None = None) -> Quantized:
    """Lower ``model`` as ``how`` says; ``trained`` is what quantization-aware training made of it.

    Raises IncompatibleError where an operator cannot be lowered, AuditError where the result is not what was asked,
    DataError where the training pictures set no ranges, RecipeError for a backend that is not installed.
    """
    theirs = how.backend == "ai-edge-quantizer"
    calibrated = how.scheme == "int16x8" or (theirs and how.scheme == "int8")
    real = calibration_pictures(how, work) if calibrated else np.empty(0, np.float32)

    def samples() -> Iterator[list[NDArray[Any]]]:
        for picture in real:
            yield [picture[None]]

    as_float = convert(model, "float32", samples)
    if how.scheme == "int8" and not theirs:
        ready = trained or prepare(model, how, work)
        made = export(ready.simulation, ready.tied, ready.kept, how.coarse)
        return Quantized(made.tflite, as_float, _audited(model if trained is None else None, made, how, work))
    if theirs:
        lowered = by_ai_edge_quantizer(as_float, how.scheme, real)
    else:
        lowered = as_float if how.scheme == "float32" else convert(model, how.scheme, samples)
    found, _, _ = _audit(model, lowered, how, work)
    demand(found)
    return Quantized(lowered, as_float, found)


def _audited(model: keras.Model | None, made: Exported, how: Quantize, work: Work) -> Audit:
    """The audit of what our exporter made, against the float model (None: only the simulation) and our integers."""
    found, got, output = _audit(model or made.simulation, made.tflite, how, work)
    kernels = {name: (kernel.integers, kernel.scales) for name, kernel in made.kernels.items()}
    promise = Promise(kernels, _answers(made.simulation, work), len(how.keep))
    found = audit_export(found, read_graph(made.tflite), promise, got, output)
    demand(found)
    return found


def _audit(model: keras.Model, lowered: bytes, how: Quantize, work: Work) -> tuple[Audit, NDArray[Any], TensorSpec]:
    engine = runtime.load(lowered)
    inputs = to_input(work.data.held_out.pixels[:AUDITED], table(work.pixels, engine.inputs[0]))
    try:
        got = np.concatenate([engine.run(one[None])[0] for one in inputs])
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise AuditError(f"the {how.scheme} model does not run: {said}", "use another scheme") from error
    graph, output = read_graph(lowered), engine.outputs[0]
    return audit(graph, how.scheme, how.max_mean_lsb, _answers(model, work), got, output), got, output


def _answers(model: keras.Model, work: Work) -> NDArray[np.float32]:
    """A model's answers to the pictures of the audit, [AUDITED, classes]."""
    pictures = to_input(work.data.held_out.pixels[:AUDITED], table(work.pixels, FLOAT))
    answers = model(keras.tree.pack_sequence_as(model.input, [pictures]), training=False)
    return np.asarray(keras.tree.flatten(answers)[0])
