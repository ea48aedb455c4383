"""Every job of the comparison: which net, which tool, which of its methods, for how many epochs.

The densities by hand are those that a patient user of tfmot finds for these nets; ours ranks all layers together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

EPOCHS = {"lenet300": 15, "lenet5": 10}
BY_HAND = {
    ("lenet300", 0.025): {"fc1": 0.02, "fc2": 0.06, "fc3": 0.3},
    ("lenet300", 0.01): {"fc1": 0.0075, "fc2": 0.025, "fc3": 0.2},
    ("lenet5", 0.025): {"conv1": 0.6, "conv2": 0.12, "fc1": 0.018, "fc2": 0.2},
    ("lenet5", 0.01): {"conv1": 0.5, "conv2": 0.06, "fc1": 0.0055, "fc2": 0.12},
}
INT8: dict[str, Any] = {"do": "quantize"}
FACTORS = {
    "lenet300": {"fc3": 3.0, "fc2": 1.3},
    "lenet5": {"conv1": 3.0, "conv2": 1.2, "fc2": 3.0},
}


@dataclass(frozen=True)
class Job:
    """One line of the table. ``stages`` are those of our recipe."""

    net: str
    tool: str
    method: str
    epochs: int = 0
    density: float = 1.0
    densities: dict[str, float] = field(default_factory=dict)
    word: str = ""
    stages: tuple[dict[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """What its files are called."""
        return "-".join(part for part in (self.net, self.tool, self.method, self.word) if part)

    @property
    def data(self) -> str:
        """The data set's name."""
        return "cifar10" if self.net == "resnet8" else "mnist"


def _jobs() -> Iterator[Job]:
    for net, epochs in EPOCHS.items():
        yield Job(net, "tfmot", "ptq")
        yield Job(net, "tfmot", "prune", epochs, 0.025, word="97.5")
        for density in (0.025, 0.01):
            word = f"{1 - density:.1%}-by-hand".replace("%", "")
            yield Job(net, "tfmot", "prune", epochs, density, BY_HAND[net, density], word)
        yield Job(net, "tfmot", "cluster", epochs)
        yield Job(net, "tfmot", "qat", epochs)
        yield Job(net, "tfmot", "pcqat", epochs, 0.08)
        yield Job(net, "ai-edge-quantizer", "static-int8")
        yield Job(net, "ai-edge-quantizer", "int4")
        yield from _ours(net, epochs)
    yield Job("resnet8", "ai-edge-quantizer", "static-int8")
    yield Job("resnet8", "bramble", "ptq", stages=(INT8,))


def _ours(net: str, epochs: int) -> Iterator[Job]:
    """Ours by the same names: the densities, the 16 values and the epochs are those of the peers' jobs."""
    prune = {"do": "prune", "epochs": epochs, "weights": FACTORS[net], "schedule": "hold"}
    fifth = max(1, epochs // 5)
    cluster = {"do": "cluster", "clusters": 16, "epochs": fifth, "learning_rate": 3e-4}
    aware: dict[str, Any] = {"do": "quantize", "aware": {"epochs": fifth, "learning_rate": 1e-4}}
    yield Job(net, "bramble", "ptq", stages=(INT8,))
    for density in (0.025, 0.01):
        word = f"{1 - density:.1%}".replace("%", "")
        yield Job(net, "bramble", "prune", epochs, density, word=word, stages=({**prune, "density": density}, INT8))
    yield Job(net, "bramble", "cluster", epochs, stages=({**cluster, "epochs": epochs}, INT8))
    yield Job(net, "bramble", "qat", epochs, stages=({**aware, "aware": {**aware["aware"], "epochs": epochs}},))
    for density, word in ((0.08, ""), (0.025, "97.5")):
        first = {**prune, "density": density, "epochs": epochs - 2 * fifth}
        yield Job(net, "bramble", "pcqat", epochs, density, word=word, stages=(first, cluster, aware))


JOBS = tuple(_jobs())
