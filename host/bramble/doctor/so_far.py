"""The float .tflite rounded as the int8 one rounds, up to a layer: which layer is it that turns a prediction?

    … w → s_c·q_w, b → s_b·q_b        x → DEQUANTIZE(QUANTIZE(x)) with the int8 file's own scale and zero point

Behind that layer everything stays as it was, so a prediction that changes has changed by then.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble.doctor.align import Pair, real_values
from bramble.quantization.flatbuffer import add_buffer, packed, unpacked
from bramble.quantization.islands import bridge
from bramble.tflite import WEIGHTED, Graph


def rounded_so_far(floating: bytes, integer: bytes, graph: Graph, pairs: Sequence[Pair]) -> bytes:
    """``floating`` with all of ``pairs`` rounded as in ``integer``, whose graph is ``graph``."""
    held, model = unpacked(floating), unpacked(integer)
    main, theirs = held.subgraphs[0], model.subgraphs[0]
    for pair in pairs:
        if pair.kind in WEIGHTED:
            _take_weights(held, main.operators[pair.twin], graph, pair)
    makers = {number: op for op in main.operators for number in op.outputs}
    for pair in pairs:
        tensor = theirs.tensors[pair.tensor]
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            _round(held, main, pair.twin_tensor, tensor, makers.get(pair.twin_tensor))
    return packed(held)


def _take_weights(held: Any, op: Any, graph: Graph, pair: Pair) -> None:
    """Give an operator the kernel and the bias of its pair, in tensors of its own: constants may be shared."""
    mine = graph.nodes[pair.node].inputs
    for place in (1, 2):
        if place >= min(len(mine), len(op.inputs)) or mine[place] < 0 or op.inputs[place] < 0:
            continue
        tensor = graph.tensors[mine[place]]
        if tensor.value is not None:
            inputs = list(op.inputs)
            inputs[place] = _constant(held, op.inputs[place], real_values(tensor))
            op.inputs = inputs


def _constant(held: Any, like: int, values: NDArray[np.float64]) -> int:
    tensors = held.subgraphs[0].tensors
    new = copy.copy(tensors[like])
    new.buffer = add_buffer(held, values.astype(np.float32))
    tensors.append(new)
    return len(tensors) - 1


def _round(held: Any, main: Any, number: int, like: Any, maker: Any) -> None:
    """Put QUANTIZE and DEQUANTIZE behind a float tensor; all that read it read what comes out."""
    whole, real = copy.copy(main.tensors[number]), copy.copy(main.tensors[number])
    whole.type, whole.quantization = like.type, like.quantization
    whole.buffer = real.buffer = 0
    whole.name, real.name = f"whole_{number}", f"real_{number}"
    main.tensors += [whole, real]
    after = len(main.tensors) - 1
    for op in main.operators:
        op.inputs = [after if one == number else one for one in op.inputs]
    main.outputs = [after if one == number else one for one in main.outputs]
    bridges = [bridge(held, "QUANTIZE", number, after - 1), bridge(held, "DEQUANTIZE", after - 1, after)]
    place = main.operators.index(maker) + 1 if maker is not None else 0
    main.operators[place:place] = bridges
