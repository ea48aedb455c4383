"""Han et al. 2015, Fig. 6: how accuracy falls when each layer alone is pruned, without retraining; a dense LeNet-5.

    python benchmarks/papers/sensitivity.py

On training pictures, since such curves decide densities. Writes results/sensitivity-lenet5.json.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from experiments import HELD_OUT, LENET5, TRAIN5, made
from run import tell
from stats import RESULTS

from bramble.build_model import load_model
from bramble.datasets import open_source
from bramble.datasets.types import split
from bramble.held.masks import prunable
from bramble.pipeline import Options, trained
from bramble.pruning import scores
from bramble.pruning.sensitivity import scan
from bramble_agent.wire import Pixels

PICTURES = 5_000


def main() -> None:
    """Scan the dense net of the LeNet-5 experiments."""
    read = made("sensitivity", LENET5, TRAIN5)
    data_dir = Path(os.environ["BRAMBLE_DATA"]) if "BRAMBLE_DATA" in os.environ else None
    model = load_model(trained(read, Options(data_dir, Path(os.environ.get("BRAMBLE_RUNS", "runs"))), tell))
    train = split(open_source(read.recipe.data, read.folder, data_dir, False, print), HELD_OUT["mnist"]).train
    chosen = train.take(np.random.default_rng(1).permutation(len(train))[:PICTURES])
    layers = prunable(model)
    curves = scan(model, layers, scores.magnitude(layers), chosen, Pixels(28, 28, "gray", 0.0, 1.0, "crop"))
    points = {
        name: [{"density": one.density, "accuracy": one.accuracy, "loss": one.loss} for one in curve]
        for name, curve in curves.items()
    }
    known = {"pictures": PICTURES, "layers": points}
    (RESULTS / "sensitivity-lenet5.json").write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
