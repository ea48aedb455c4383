"""Every tensor of a .tflite while it runs: what the interpreter computed on the way, picture by picture.

XNNPACK keeps nothing, so this asks for TFLite's own kernels; they differ from XNNPACK's by a step now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels, TensorSpec


class Taps:
    """An interpreter that keeps what it computes."""

    def __init__(self, model: bytes, pixels: Pixels, threads: int = 2) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._interpreter: Any = Interpreter(
            model_content=model,
            num_threads=threads,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._interpreter.allocate_tensors()
        detail = self._interpreter.get_input_details()[0]
        scale, zero_point = detail["quantization"]
        kind = np.dtype(detail["dtype"]).name
        self._input = detail["index"]
        self._lookup = table(pixels, TensorSpec("", (), kind, float(scale), int(zero_point)))

    def run(self, picture: NDArray[np.uint8], wanted: Sequence[int]) -> list[NDArray[Any]]:
        """Copies of the tensors of these numbers for one picture [height, width, channels]."""
        self._interpreter.set_tensor(self._input, to_input(picture[None], self._lookup))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(number) for number in wanted]
