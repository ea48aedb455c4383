"""Google's ai-edge-quantizer as a second backend: its own way from the float32 .tflite, for who wants a second opinion.

It is an extra of the installation, and is imported only here, when it is asked for. Its ranges are its own: a moving
average (0.95) of the calibration pictures' ends, one picture at a time. Kernels have one symmetric scale a channel,
max|w_c|/127, as ours. What comes out is audited like everything else.
"""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from bramble.errors import IncompatibleError, RecipeError

NAME = "ai-edge-quantizer"
RECIPES = {"int8": "static_wi8_ai8", "int16x8": "static_wi8_ai16", "dynamic": "dynamic_wi8_afp32"}


def needed(backend: str) -> tuple[str, ...]:
    """The installed version, where ``backend`` is this one. Raises RecipeError where it is not installed."""
    try:
        return (metadata.version(NAME),) if backend == NAME else ()
    except metadata.PackageNotFoundError as error:
        said = f'quantize: backend = "{NAME}" needs the package {NAME}, which is not installed'
        raise RecipeError(said, f"pip install 'bramble-edge[{NAME}]', or leave out backend") from error


def by_ai_edge_quantizer(as_float: bytes, scheme: str, pictures: NDArray[np.float32]) -> bytes:
    """The float32 model with one input, lowered by ``scheme`` (int8, int16x8, dynamic).

    ``pictures`` [n, …] set ranges. Raises RecipeError where the package is not installed, IncompatibleError where it
    refuses the model.
    """
    needed(NAME)
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.filterwarnings("ignore", "Warning: Enabling `experimental_preserve_all_tensors`", UserWarning)
        try:
            work = quantizer.Quantizer(bytearray(as_float))
            work.load_quantization_recipe(getattr(recipe, RECIPES[scheme])())
            seen = None
            if work.need_calibration:
                ((name, ways),) = Interpreter(model_content=as_float).get_signature_list().items()
                seen = work.calibrate({name: [{ways["inputs"][0]: one[None]} for one in pictures]})
            return bytes(work.quantize(seen).quantized_model)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            said = " ".join(str(error).split())
            raise IncompatibleError(
                f"{NAME} cannot lower the model to {scheme}: {said}", "leave out backend"
            ) from error
