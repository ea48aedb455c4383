"""Check that a converted model is what its scheme promises, on the file itself.

"Full integer" often is not: an unsupported operator leaves DEQUANTIZE … QUANTIZE islands, dense or depthwise kernels
are quantized per tensor, a range goes wrong and answers drift. For int8 and int16x8: no float tensor, every kernel
with one scale a channel. For every scheme: the answers against the Keras model's, in steps (LSB) of the output. For
what the exporter made (``audit_export``) also: every kernel's integers are ours bit for bit, and the answers are those
of the simulation, whose roundings differ from an interpreter's by a step now and then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble.errors import AuditError
from bramble.tflite import DEPTHWISE_AXIS, WEIGHTED, Graph
from bramble_agent.wire import Operator, TensorSpec

INTEGER = frozenset({"int8", "int16x8"})
ISLANDS = frozenset({"DEQUANTIZE", "QUANTIZE"})


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
    kernels: int | None = None  # how many were compared with ours, of an exported model
    other_kernels: tuple[str, ...] = ()  # layers whose integers or scales are not ours
    simulation_mean_lsb: float | None = None
    simulation_max_lsb: float | None = None
    float_operators: tuple[str, ...] = ()  # what computes in floats in a scheme of integers


@dataclass(frozen=True)
class Promise:
    """What an exported model is held to: each layer's (integers, scales) as stored, and the simulation's answers."""

    kernels: Mapping[str, tuple[NDArray[np.int8], NDArray[np.float32]]]
    answers: NDArray[np.float32]
    kept: int = 0  # how many operators are to stay in float


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
    off = _steps_off(expected, got, output)
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
        float_operators=tuple(_float_operators(graph)) if integer else (),
    )
    return Audit(**{**vars(found), "failures": tuple(_failures(found, max_mean_lsb))})


def audit_export(
    found: Audit, graph: Graph, promise: Promise, got: NDArray[Any], output: TensorSpec, max_mean_lsb: float = 2.0
) -> Audit:
    """``found`` with what an exported int8 model must hold besides: our kernels, and the simulation's answers."""
    held = [(one.value, np.array(one.scales, np.float32)) for one in graph.weights() if one.value is not None]
    other = tuple(name for name, kernel in promise.kernels.items() if not any(_same(kernel, one) for one in held))
    off = _steps_off(promise.answers, got, output)
    said = list(found.failures)
    if promise.kept and _float_nodes(graph) == promise.kept:
        said = [one for one in said if one not in _float_failures(found)]
    if other:
        said.append(f"other integers than the exporter's in {', '.join(other)}")
    if not off.mean() <= max_mean_lsb:
        said.append(f"answers are off the simulation's by {off.mean():.2f} LSB in the mean, {max_mean_lsb:g} allowed")
    return replace(
        found,
        kernels=len(promise.kernels),
        other_kernels=other,
        simulation_mean_lsb=float(off.mean()),
        simulation_max_lsb=float(off.max()),
        failures=tuple(said),
    )


def structure(graph: Graph) -> tuple[str, tuple[str, ...]]:
    """The scheme that a model without a float one beside it looks like, and what keeps it from holding its promise."""
    kernels = [kernel.dtype for kernel in graph.weights()]
    between = {graph.tensors[i].dtype for node in graph.nodes if node.name in WEIGHTED for i in node.outputs}
    if not any(kind in ("INT8", "UINT8") for kind in kernels):
        return "float16" if any(tensor.dtype == "FLOAT16" for tensor in graph.tensors) else "float32", ()
    if between == {"FLOAT32"}:
        return "dynamic", ()
    scheme = "int16x8" if "INT16" in between else "int8"
    floats = tuple(tensor.name for tensor in graph.tensors if "FLOAT" in tensor.dtype)
    coarse = len(list(_per_tensor(graph)))
    found = Audit(
        scheme, graph.operators(), floats, (), 0, 0.0, 0.0, 1.0, (), float_operators=tuple(_float_operators(graph))
    )
    said = _float_failures(found)
    if coarse:
        said.append(f"{coarse} of {len(kernels)} kernels quantized per tensor")
    return scheme, tuple(said)


def _same(ours: tuple[NDArray[np.int8], NDArray[np.float32]], theirs: tuple[NDArray[Any], NDArray[np.float32]]) -> bool:
    """Whether all integers are equal, and scales to float32's last digits; scales of channels of zeros mean nothing."""
    (mine, steps), (held, scales) = ours, theirs
    if mine.shape != held.shape or steps.size != scales.size or (mine != held).any():
        return False
    axis = 0 if mine.shape[0] == steps.size else mine.ndim - 1
    used = np.moveaxis(mine, axis, 0).reshape(steps.size, -1).any(1)
    return bool(np.allclose(steps[used], scales[used], rtol=1e-6, atol=0.0))


def _steps_off(expected: NDArray[np.float32], got: NDArray[Any], output: TensorSpec) -> NDArray[np.float64]:
    """How far answers are off, in steps of an 8-bit output."""
    wide = 256.0 if got.dtype == np.int16 else 1.0
    step = output.scale * wide or float(np.ptp(expected)) / 256.0 or 1.0
    real = (got.astype(np.float64) - output.zero_point) * output.scale if output.scale else got.astype(np.float64)
    return np.abs(real - expected) / step


def demand(found: Audit) -> None:
    """Raise AuditError with every failure of an audit; nothing for a sound model."""
    if found.failures:
        raise AuditError(
            f"the {found.scheme} model failed its audit: {'; '.join(found.failures)}",
            "use a scheme that the model's operators support (float16, dynamic), or other operators; where answers are "
            "off, calibrate on more pictures or check the model",
        )


def _per_tensor(graph: Graph) -> Iterator[str]:
    """The constant kernels without one scale for each output channel, which lies last in a depthwise kernel."""
    for node in graph.nodes:
        if node.name in WEIGHTED:
            kernel = graph.tensors[node.inputs[1]]
            axis = DEPTHWISE_AXIS if node.name == "DEPTHWISE_CONV_2D" else 0
            if kernel.value is not None and "FLOAT" not in kernel.dtype and len(kernel.scales) != kernel.shape[axis]:
                yield kernel.name


def _float_operators(graph: Graph) -> list[str]:
    """The operators that compute in floats, each once; not the bridges to them."""
    floats = {number for number, tensor in enumerate(graph.tensors) if "FLOAT" in tensor.dtype}
    touched = [node.name for node in graph.nodes if floats & {*node.inputs, *node.outputs}]
    return list(dict.fromkeys(name for name in touched if name not in ISLANDS))


def _float_nodes(graph: Graph) -> int:
    """How many operators compute in floats."""
    floats = {number for number, tensor in enumerate(graph.tensors) if "FLOAT" in tensor.dtype}
    return sum(bool(floats & {*node.inputs, *node.outputs}) for node in graph.nodes if node.name not in ISLANDS)


def _float_failures(found: Audit) -> list[str]:
    if not found.float_tensors:
        return []
    islands = [op.name for op in found.operators if op.name in ISLANDS]
    through = f" (through {', '.join(islands)})" if islands else ""
    said = [f"{len(found.float_tensors)} float tensors remain, first {found.float_tensors[0]!r}{through}"]
    if found.float_operators:
        said.append(f"these operators cannot be integer: {', '.join(found.float_operators)}")
    return said


def _failures(found: Audit, max_mean_lsb: float) -> list[str]:
    said = _float_failures(found)
    if found.per_tensor_weights:
        said.append(f"kernels quantized per tensor: {', '.join(found.per_tensor_weights)}")
    if not found.mean_lsb <= max_mean_lsb:
        said.append(
            f"answers are off the float model's by {found.mean_lsb:.2f} LSB in the mean, {max_mean_lsb:g} allowed"
        )
    return said
