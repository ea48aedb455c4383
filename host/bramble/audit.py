"""Check that a converted model is what its scheme promises, on the file itself.

"Full integer" often is not: an unsupported operator leaves DEQUANTIZE … QUANTIZE islands, dense or depthwise kernels
are quantized per tensor, a range goes wrong and answers drift. For int8 and int16x8: no float tensor, every kernel
with one scale a channel. For every scheme: the answers against the Keras model's, in steps (LSB) of the output.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble.errors import AuditError
from bramble.tflite import WEIGHTED, Graph
from bramble_agent.wire import Operator, TensorSpec

INTEGER = frozenset({"int8", "int16x8"})
ISLANDS = frozenset({"DEQUANTIZE", "QUANTIZE"})
DEPTHWISE_AXIS = 3


@dataclass(frozen=True)
class Audit:
    """What was found; ``failures`` is empty for a sound model."""

    scheme: str
    operators: tuple[Operator, ...]
    float_tensors: tuple[str, ...]
    per_tensor_weights: tuple[str, ...]
    samples: int
    mean_lsb: float
    max_lsb: float
    agreement: float  # share of samples with the same top class as the float model
    failures: tuple[str, ...]


def audit(
    graph: Graph,
    scheme: str,
    max_mean_lsb: float,
    expected: NDArray[np.float32],
    got: NDArray[Any],
    output: TensorSpec,
) -> Audit:
    """Audit a model: its ``graph``, and its raw outputs ``got`` [N, classes] against the float model's ``expected``.

    A step is that of an 8-bit output: 1/256 of the output's range where it is float or 16 bits wide.
    """
    integer = scheme in INTEGER
    floats = tuple(t.name for t in graph.tensors if "FLOAT" in t.dtype) if integer else ()
    coarse = tuple(_per_tensor(graph)) if integer else ()
    wide = 256.0 if got.dtype == np.int16 else 1.0
    step = output.scale * wide or float(np.ptp(expected)) / 256.0 or 1.0
    real = (got.astype(np.float64) - output.zero_point) * output.scale if output.scale else got.astype(np.float64)
    off = np.abs(real - expected) / step
    agreement = float((got.argmax(1) == expected.argmax(1)).mean())
    found = Audit(
        scheme,
        graph.operators(),
        floats,
        coarse,
        len(expected),
        float(off.mean()),
        float(off.max()),
        agreement,
        (),
    )
    return Audit(**{**vars(found), "failures": tuple(_failures(found, max_mean_lsb))})


def demand(found: Audit) -> None:
    """Raise AuditError with every failure of an audit; nothing for a sound model."""
    if found.failures:
        raise AuditError(
            f"the {found.scheme} model failed its audit: {'; '.join(found.failures)}",
            "use a scheme that the model's operators support, calibrate on more pictures, or check the model",
        )


def _per_tensor(graph: Graph) -> Iterator[str]:
    """The constant kernels without one scale for each output channel, which lies last in a depthwise kernel."""
    for node in graph.nodes:
        if node.name in WEIGHTED:
            kernel = graph.tensors[node.inputs[1]]
            axis = DEPTHWISE_AXIS if node.name == "DEPTHWISE_CONV_2D" else 0
            if kernel.value is not None and len(kernel.scales) != kernel.shape[axis]:
                yield kernel.name


def _failures(found: Audit, max_mean_lsb: float) -> list[str]:
    said = []
    if found.float_tensors:
        islands = [op.name for op in found.operators if op.name in ISLANDS]
        through = f" (through {', '.join(islands)})" if islands else ""
        said.append(f"{len(found.float_tensors)} float tensors remain, first {found.float_tensors[0]!r}{through}")
    if found.per_tensor_weights:
        said.append(f"kernels quantized per tensor: {', '.join(found.per_tensor_weights)}")
    if not found.mean_lsb <= max_mean_lsb:
        said.append(
            f"answers are off the float model's by {found.mean_lsb:.2f} LSB in the mean, {max_mean_lsb:g} allowed"
        )
    return said
