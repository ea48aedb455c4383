"""ai-edge-quantizer's own ways with a float .tflite; runs in an environment of its own.

python by_ai_edge_quantizer.py JOB.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe

CALIBRATION = 500


def main(job: dict[str, Any]) -> None:
    """Do one job, and print the seconds that it took."""
    with np.load(job["pictures"]) as held:
        pictures = held["pictures"][:CALIBRATION].astype(np.float32) * np.float32(job["scale"])
    (signature,) = Interpreter(job["float"]).get_signature_list().items()
    name, (taken,) = signature[0], signature[1]["inputs"]
    start = time.perf_counter()
    work = quantizer.Quantizer(job["float"])
    work.load_quantization_recipe(RECIPES[job["method"]]())
    seen = work.calibrate({name: [{taken: picture[None]} for picture in pictures]}) if work.need_calibration else None
    Path(job["tflite"]).write_bytes(work.quantize(seen).quantized_model)
    print(json.dumps({"seconds": time.perf_counter() - start}))


RECIPES = {"static-int8": recipe.static_wi8_ai8, "int4": recipe.dynamic_wi4_afp32}

if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
