"""Depthwise nets in int8: one scale a channel, trained on or not, against one scale a tensor.

    python benchmarks/papers/depthwise.py [NET …]

A net is trained in float, then lowered four ways: float32; int8 by our exporter with a scale a channel; int8 trained on
(quantization-aware); and int8 by TensorFlow's converter with one scale a tensor, as toolkits lower depthwise layers
that do not know better. The test set is read once for each, from the file through the interpreter. Writes
results/depthwise-<net>-seed<n>.json. Environment: BRAMBLE_DATA, BRAMBLE_RUNS.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from experiments import FASTER, HELD_OUT, RECIPES, THREE
from numpy.typing import NDArray
from run import tell
from stats import RESULTS

from bramble.build_model import load_model
from bramble.datasets import open_source
from bramble.datasets.types import Dataset, split
from bramble.evaluate import evaluate
from bramble.pipeline import Options, build, trained
from bramble.quantization.prepare import calibration_pictures
from bramble.reading import ReadRecipe
from bramble.recipe import Quantize, Recipe
from bramble.work import Work
from bramble_agent.wire import Pixels

NETS = {"ds_cnn": ("fashion_mnist", 12), "mobilenet": ("cifar10", 20)}
AWARE = {"epochs": 3, "learning_rate": 2e-4}
ARMS = {"float32": {"scheme": "float32"}, "channel": {}, "aware": {"aware": AWARE}}


def main() -> None:
    """Run the nets that are named, or all; what is there is not run again."""
    data_dir = Path(os.environ["BRAMBLE_DATA"])
    options = Options(data_dir, Path(os.environ.get("BRAMBLE_RUNS", "runs")))
    for net in sys.argv[1:] or NETS:
        for seed in THREE:
            path = RESULTS / f"depthwise-{net}-seed{seed}.json"
            if not path.exists():
                path.write_text(json.dumps(_run(net, seed, options), indent=1) + "\n")
            print(path.name, json.loads(path.read_text())["accuracy"], flush=True)


def _run(net: str, seed: int, options: Options) -> dict[str, Any]:
    """The accuracies and bytes of all arms."""
    accuracy, size = {}, {}
    for arm, knobs in ARMS.items():
        built = build(_recipe(net, seed, arm, knobs), options, tell)
        accuracy[arm], size[arm] = built.facts["accuracy"]["shipped"], built.facts["size"]["model_bytes"]
    read = _recipe(net, seed, "float32", ARMS["float32"])
    data = split(open_source(read.recipe.data, read.folder, options.data_dir, False, print), read.recipe.data.held_out)
    pixels = Pixels(*data.train.pixels.shape[1:3], "gray" if data.train.pixels.shape[3] == 1 else "rgb", 0.0, 1.0)
    file = _per_tensor(trained(read, options, tell), data, pixels, seed)
    accuracy["tensor"], size["tensor"] = evaluate(file, data.test, pixels), len(file)
    return {"seed": seed, "net": net, "tested": len(data.test), "accuracy": accuracy, "bytes": size, "aware": AWARE}


def _recipe(net: str, seed: int, arm: str, knobs: dict[str, Any]) -> ReadRecipe:
    data, epochs = NETS[net]
    flip = {"flip": True, "shift": 3} if data == "cifar10" else {"shift": 1}
    given = {
        "name": f"depthwise-{net.replace('_', '-')}-{arm}",
        "seed": seed,
        "data": {"name": data, "held_out": HELD_OUT.get(data, HELD_OUT["mnist"])},
        "model": {"build": f"bramble_zoo.{net}:build"},
        "stage": [{"do": "train", "epochs": epochs, **FASTER, "augment": flip}, {"do": "quantize", **knobs}],
    }
    return ReadRecipe(Recipe.model_validate(given), RECIPES)


def _per_tensor(model: Path, data: Dataset, pixels: Pixels, seed: int) -> bytes:
    """The model in int8 by TensorFlow's converter, one scale a tensor, calibrated on the same pictures as ours."""
    import tensorflow as tf

    work = Work(replace(data), pixels, seed, tell)
    real = calibration_pictures(Quantize(do="quantize"), work)

    def samples() -> Iterator[list[NDArray[np.float32]]]:
        for picture in real:
            yield [picture[None]]

    converter = tf.lite.TFLiteConverter.from_keras_model(load_model(model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel = True
    lowered: bytes = converter.convert()
    return lowered


if __name__ == "__main__":
    main()
