"""Every run behind the papers' table: which recipe with which seeds, gathered by the claim that they decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bramble.reading import ReadRecipe, read_recipe
from bramble.recipe import Recipe

RECIPES = Path(__file__).parent / "recipes"
THREE = (1, 2, 3)
FIVE = (1, 2, 3, 4, 5)
HELD_OUT = {"mnist": 5 / 60, "cifar10": 0.1}  # 5,000 pictures of each
FASTER = {"batch_size": 256, "learning_rate": 2e-3}
DENSITIES = (0.5, 0.3, 0.15, 0.08, 0.04, 0.02)
LOW = tuple(density for density in DENSITIES if density <= 0.15)  # where the curves of Fig. 5 part
A_ROUND = 8  # epochs of retraining after each cut
LENET5_WEIGHTS = {"conv1": 500, "conv2": 25_000, "fc1": 400_000, "fc2": 5_000}
HASHED = {"fc1": 11_256, "fc2": 156}  # values; with 1,010 biases they are 12,422, a 64th of 785·1000 + 1001·10
Stage = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """One recipe and its seeds. ``keep`` keeps the first seed's shipped file beside the results."""

    name: str
    read: ReadRecipe
    seeds: tuple[int, ...] = THREE
    keep: bool = False


def experiments_of(claim: str) -> list[Experiment]:
    """The experiments that decide a claim."""
    if claim in HEADLINES:
        return [Experiment(claim, read_recipe(str(RECIPES / f"{claim}.toml")), keep=True)]
    return list(GROUPS[claim]())


def seeds_of(experiment: str) -> tuple[int, ...]:
    """All the seeds that an experiment is run with, by its name. Raises KeyError for a name that there is not."""
    return _seeds()[experiment]


@cache
def _seeds() -> dict[str, tuple[int, ...]]:
    return {one.name: one.seeds for claim in CLAIMS for one in experiments_of(claim)}


HEADLINES = (
    *("lenet300-han", "lenet300-all", "lenet5-han", "lenet5-all", "lenet5-structured"),
    *("deep-lenet300", "deep-lenet5"),
)


def made(name: str, model: str, *stages: Stage, data: str = "mnist", scheme: str = "float32") -> ReadRecipe:
    """A recipe from its stages; it ships a float32 file, so that nothing but the technique is compared."""
    given = {
        "name": name,
        "data": {"name": data, "held_out": HELD_OUT[data]},
        "model": {"build": model},
        "stage": (*stages, {"do": "quantize", "scheme": scheme}),
    }
    return ReadRecipe(Recipe.model_validate(given), RECIPES)


LENET300 = "bramble_zoo.lenet300:build"
LENET5 = "bramble_zoo.lenet5:build"
DISTILLED_BY = "mnist-teacher.toml"  # the teacher of Hinton's students, here
TRAIN300: Stage = {"do": "train", "epochs": 30, "l2": 1e-4, "dropout": 0.3, **FASTER}
TRAIN5: Stage = {"do": "train", "epochs": 12, "l2": 1e-5, "dropout": 0.5, **FASTER}


def _retraining() -> Iterator[Experiment]:
    """Han 2015, Fig. 5: L1 or L2, without and with retraining, and L2 in several rounds; LeNet-300-100.

    Dead units stay, so that a density is a share of the same weights in every arm and in every round. The matched arm
    is no curve of the figure: at once, but retrained for as many epochs as the rounds take up to that density.
    """
    for penalty, weight in (("l1", 1e-5), ("l2", 1e-4)):
        train = {"do": "train", "epochs": 20, penalty: weight, **FASTER}
        for density in DENSITIES:
            for word, epochs in (("only", 0), ("retrained", A_ROUND)):
                retrain = {**_at_once(density), "epochs": epochs, penalty: weight if epochs else 0.0}
                name = f"fig5-{penalty}-{word}-{density:g}"
                yield Experiment(name, made(name, LENET300, train, retrain))
    train = {"do": "train", "epochs": 20, "l2": 1e-4, **FASTER}
    rounds: list[Stage] = []
    for density in DENSITIES:
        rounds.append({**_at_once(density), "epochs": A_ROUND, "l2": 1e-4})
        name = f"fig5-l2-iterative-{density:g}"
        yield Experiment(name, made(name, LENET300, train, *rounds))
        if density in LOW:
            name = f"fig5-l2-matched-{density:g}"
            yield Experiment(name, made(name, LENET300, train, {**rounds[-1], "epochs": A_ROUND * len(rounds)}))


def _at_once(density: float) -> Stage:
    cut = {"do": "prune", "density": density, "ramp": "one-shot", "remove_dead": False}
    return {**cut, **FASTER, "learning_rate": 2e-4}


def _ablations() -> Iterator[Experiment]:
    """Han 2015, sections 3.1 to 3.5: each rule switched off alone, at 1/12.5 of the weights; LeNet-300-100."""
    prune = {"do": "prune", "density": 0.08, "ramp": "one-shot", "epochs": 20, **FASTER, "learning_rate": 2e-4}
    l2 = {**TRAIN300, "dropout": 0.5}
    l1 = {**l2, "l2": 0.0, "l1": 1e-5}
    retrain = {"l2": 1e-4}
    changes: dict[str, tuple[Stage, Stage]] = {
        "base": (l2, retrain),
        "no-dropout-rule": (l2, {**retrain, "rescale_dropout": False}),
        "reinitialised": (l2, {**retrain, "survivors": "reinitialise", "learning_rate": 2e-3}),
        "reinitialised-slow": (l2, {**retrain, "survivors": "reinitialise"}),
        "probabilistic": (l2, {**retrain, "probabilistic": True}),
        "dead-stay": (l2, {**retrain, "remove_dead": False}),
        "l1-then-l2": (l1, retrain),
        "l1-then-l1": (l1, {"l1": 1e-5}),
    }
    for word, (train, changed) in changes.items():
        name = f"ablation-{word}"
        yield Experiment(name, made(name, LENET300, train, {**prune, **changed}))


def _sensitivity() -> Iterator[Experiment]:
    """Han 2015, Fig. 6: densities by sensitivity against one density for all layers, at equal parameters."""
    cut = {"do": "prune", "density": 0.04, "ramp": "one-shot", "epochs": 12, "remove_dead": False}
    prune = {**cut, **FASTER, "learning_rate": 5e-4}
    for scope in ("local", "sensitivity"):
        name = f"allocated-{scope}"
        yield Experiment(name, made(name, LENET300, TRAIN300, {**prune, "scope": scope}))


def _scopes() -> Iterator[Experiment]:
    """Khan & Mandal 2023: weights ranked over the whole model against ranked in each layer."""
    for density in (0.08, 0.04):
        prune = {"do": "prune", "density": density, "epochs": 12, "remove_dead": False, **FASTER, "learning_rate": 1e-3}
        for scope in ("global", "local"):
            name = f"scope-{scope}-{density:g}"
            yield Experiment(name, made(name, LENET300, TRAIN300, {**prune, "scope": scope}))


def _conv_dense() -> Iterator[Experiment]:
    """Khan & Mandal against Han: channels of convolutions cut, or units of the dense layer, at equal parameters.

    The first seeds' files are kept for ``latency.py --cut``.
    """
    slim = {"do": "slim", "epochs": 6, **FASTER, "learning_rate": 1e-3}
    widths = {
        "conv": {"conv1": 10, "conv2": 25},
        "dense": {"fc1": 230},
        "conv-more": {"conv1": 5, "conv2": 12},
        "dense-more": {"fc1": 96},
    }
    for word, left in widths.items():
        name = f"cut-{word}"
        yield Experiment(name, made(name, LENET5, TRAIN5, {**slim, "widths": left}), keep=True)


def _surgeon() -> Iterator[Experiment]:
    """Nine tenths of the weights removed at once, without retraining, by three criteria; LeNet-300-100."""
    for criterion in ("magnitude", "obd", "obs"):
        cut = {"do": "prune", "density": 0.1, "criterion": criterion, "epochs": 0}
        name = f"one-shot-{criterion}"
        yield Experiment(name, made(name, LENET300, TRAIN300, cut))


def _hinton() -> Iterator[Experiment]:
    """Hinton et al. 2015, section 3: student of 2 x 800 units alone and distilled at T = 20, each for 30 epochs.

    The student alone has no regularisation, as in the paper. The teacher of the students is a small CNN; the paper's,
    2 x 1200 units, is a row of its own. The arm that decides, fixed before any was run: ``hinton-distilled-shifted``.
    """
    teacher = read_recipe(str(RECIPES / "hinton-teacher.toml"))
    yield Experiment("hinton-teacher", teacher, (1,))
    student, epochs = "paper_nets:dense_800", 30
    alone = {"do": "train", "epochs": epochs, "l1": 0.0, "l2": 0.0, **FASTER}
    yield Experiment("hinton-alone", made("hinton-alone", student, alone))
    taught = {"do": "distill", "teacher": DISTILLED_BY, "temperature": 20.0, "alpha": 0.9, "epochs": epochs, **FASTER}
    shifted = {**taught, "augment": {"shift": 2}}
    yield Experiment("hinton-distilled-shifted", made("hinton-distilled-shifted", student, shifted), FIVE)
    yield Experiment("hinton-distilled", made("hinton-distilled", student, taught))


def _assistant() -> Iterator[Experiment]:
    """Mirzadeh et al. 2020: a student of 2 convolutions alone, taught by 10, and by 10 through 4; CIFAR-10, narrow."""
    student, seeds = "paper_nets:plain_2", (1, 2, 3, 4, 5, 6)
    alone = {"do": "train", "epochs": 12, **FASTER}
    yield Experiment("assistant-none", made("assistant-none", student, alone, data="cifar10"), seeds)
    taught = {"do": "distill", "epochs": 12, "temperature": 4.0, "alpha": 0.9, **FASTER}
    for word, teacher in (("chain", "plain4-taught.toml"), ("teacher", "plain10.toml")):
        name = f"assistant-{word}"
        yield Experiment(name, made(name, student, {**taught, "teacher": teacher}, data="cifar10"), seeds)


def _factorize() -> Iterator[Experiment]:
    """Low rank in place of the dense layers and convolutions; LeNet-5."""
    cut = {"do": "factorize", "error": 0.65, "epochs": 8, **FASTER, "learning_rate": 1e-3}
    yield Experiment("factorized", made("factorized", LENET5, TRAIN5, cut))


def _binaryconnect() -> Iterator[Experiment]:
    """Courbariaux 2015, section 3.1: 3 x 1024 units with batch norm, every kernel ±a; shipped as int8.

    As in the paper: square hinge, no augmentation, no teacher. The arm that decides, fixed before any was run:
    ``binaryconnect-taught``, with a teacher and shifts.
    """
    base: Stage = {"do": "binarize", "epochs": 60, **FASTER, "learning_rate": 3e-3}
    paper = {**base, "loss": "square-hinge"}
    arms = {
        "deterministic": paper,
        "stochastic": {**paper, "rule": "stochastic"},
        "taught": {**base, "teacher": DISTILLED_BY, "augment": {"shift": 1}},
    }
    for word, stage in arms.items():
        name = f"binaryconnect-{word}"
        yield Experiment(name, made(name, "paper_nets:binary_1024", stage, scheme="int8"), keep=True)


def _hashednets() -> Iterator[Experiment]:
    """Chen 2015, Table 1: 784-1000-10 at 1/64 of its 795,010 parameters, so 12,422 in all, biases counted.

    The arm that decides, fixed before any was run: ``hashednets-alone``, without a teacher as the paper's HashNet.
    """
    alone: Stage = {"do": "hash", "buckets": HASHED, "epochs": 60, **FASTER, "learning_rate": 1e-2}
    arms = {"alone": alone, "taught": {**alone, "teacher": DISTILLED_BY}}
    for word, stage in arms.items():
        name = f"hashednets-{word}"
        yield Experiment(name, made(name, "paper_nets:dense_1000", stage), keep=True)


def _codebooks() -> Iterator[Experiment]:
    """Clusters of 32, 16 and 8 values, and product quantization at about 5, 4, 3 bits a weight and fewer; LeNet-300.

    Gong's vectors and Han's values from the same dense nets (one training a seed), each fine-tuned alike.
    """
    tuned = {"epochs": 5, **FASTER, "learning_rate": 1e-4}
    yield Experiment("codebook-none", made("codebook-none", LENET300, TRAIN300))
    for count in (32, 16, 8, 4):
        name = f"codebook-cluster-{count}"
        yield Experiment(name, made(name, LENET300, TRAIN300, {"do": "cluster", "clusters": count, **tuned}))
    for block, codewords in ((2, 64), (2, 16), (4, 32), (4, 16)):
        name = f"codebook-vector-{block}x{codewords}"
        stage = {"do": "vector", "block": block, "codewords": codewords, "layers": ("fc1", "fc2"), **tuned}
        yield Experiment(name, made(name, LENET300, TRAIN300, stage))


GROUPS: dict[str, Callable[[], Iterator[Experiment]]] = {
    "retraining": _retraining,
    "ablations": _ablations,
    "sensitivity": _sensitivity,
    "scopes": _scopes,
    "conv-dense": _conv_dense,
    "surgeon": _surgeon,
    "hinton": _hinton,
    "assistant": _assistant,
    "factorize": _factorize,
    "binaryconnect": _binaryconnect,
    "hashednets": _hashednets,
    "codebooks": _codebooks,
}
CLAIMS = (*HEADLINES, *GROUPS)
