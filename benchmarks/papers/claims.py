"""What the committed results say about each claim: one function a claim, one line of the table each."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace

from energy import joules, stored, watts
from experiments import DISTILLED_BY, FIVE, LENET5_WEIGHTS, LOW
from few_values import binaryconnect, codebooks, deep, hashednets
from lines import Claim, above, at_least, difference, judged, no_worse, not_run
from lowered import depthwise, orders
from stats import MODELS, RESULTS, Interval, Run, errors, less_error, runs_of, spread

from bramble.tflite import read_graph

UNAIDED = "no augmentation, no teacher"
WIDEST = {"conv1": 9, "conv2": 18, "fc1": 65}  # Scalpel's


def headline(name: str, paper: str, claim: str, times: float, error: float) -> Claim:
    """Times fewer non-zero parameters than the dense net, at no more error."""
    target, runs = f"≥ {times:g}x at ≤ {error:g} %", list(runs_of(name).values())
    if not runs:
        return not_run(paper, claim, target)
    found = errors(name)
    least = min(run["dense_parameters"] / run["nonzero"] for run in runs)
    packed = statistics.mean(run["compressed_bytes"] for run in runs)
    ours = f"{least:.1f}x at {spread(found)} %, {len(runs)} seeds, {packed / 1000:.1f} kB compressed"
    return Claim(paper, claim, target, ours, judged(statistics.mean(found) <= error and least >= times))


def structured() -> Claim:
    """Whole units: Scalpel's 9-18-65 units of LeNet-5, its file and its latency beside the dense int8 file's."""
    runs, paper = list(runs_of("lenet5-structured").values()), "Scalpel 2017; LeNet-5"
    target = "≤ 9-18-65 units at ≤ 0.66 %, int8 ≤ 30 kB, ≥ 3x faster than dense"
    timed = RESULTS / "latency.json"
    if not runs or not timed.exists():
        return not_run(paper, "9-18-65 units at 0.66 %", target)
    found, size = errors("lenet5-structured"), max(run["model_bytes"] for run in runs)
    ratio = json.loads(timed.read_text())["dense_over_structured"]["median"]
    widths = runs[0]["recipe"]["stage"][1]["widths"]
    units = "-".join(str(widths[layer]) for layer in WIDEST)
    ours = f"{units} units at {spread(found)} %, {size:,} B, {ratio:.2f}x faster"
    narrow = all(widths[layer] <= most for layer, most in WIDEST.items())
    reached = narrow and statistics.mean(found) <= 0.66 and size <= 30_000 and ratio >= 3.0
    return Claim(paper, "9-18-65 units at 0.66 %", target, ours, judged(reached))


def orderings() -> Iterator[Claim]:
    """Han's Fig. 5, over the densities where curves part (0.15 and below): differences paired by seed."""
    paper = "Han 2015, Fig. 5; LeNet-300-100"
    pairs = (
        ("without retraining L1 is better than L2", "l1-only", "l2-only"),
        ("after retraining L2 is better than L1", "l2-retrained", "l1-retrained"),
        ("retraining is better than none (L2)", "l2-retrained", "l2-only"),
        ("iterative is better than at once with as many epochs (L2)", "l2-iterative", "l2-matched"),
    )
    for claim, better, worse in pairs:
        found = less_error([(f"fig5-{better}-{density:g}", f"fig5-{worse}-{density:g}") for density in LOW])
        yield difference(paper, claim, found)


def ablations() -> Iterator[Claim]:
    """Han's rules against their absence."""
    paper = "Han 2015, sections 3.1–3.5; LeNet-300-100 at 12x"
    rules = (
        ("the dropout rule helps retraining", "base", "no-dropout-rule"),
        ("keep weights, do not re-initialise (fresh weights at ten times the rate)", "base", "reinitialised"),
        ("keep weights, do not re-initialise (fresh weights at the same rate)", "base", "reinitialised-slow"),
        ("threshold, do not draw", "base", "probabilistic"),
        ("L2 after L1 is better than L1 throughout", "l1-then-l2", "l1-then-l1"),
        ("L2 throughout is better than L1 then L2", "base", "l1-then-l2"),
    )
    for claim, better, worse in rules:
        yield difference(paper, claim, _less(f"ablation-{better}", f"ablation-{worse}"))
    with_dead, without = runs_of("ablation-dead-stay"), runs_of("ablation-base")
    claim, target = "dead units can go", "fewer parameters, the same answers"
    if not with_dead or not without:
        yield not_run(paper, claim, target)
        return
    pairs = [(with_dead[seed], without[seed]) for seed in with_dead]
    saved = [100 * (1 - b["parameters"] / a["parameters"]) for a, b in pairs]
    changed = max(abs(a["wrong"] - b["wrong"]) for a, b in pairs)
    ours = f"{spread(saved)} % fewer parameters in the graph; wrong answers differ by {changed} at most"
    yield Claim(paper, claim, target, ours, judged(min(saved) > 0 and changed == 0))


def allocation() -> Claim:
    """Densities by sensitivity against one for all."""
    claim = "densities by sensitivity beat one density, LeNet-300-100 at 25x"
    return at_least("Han 2015, Fig. 6", claim, _less("allocated-sensitivity", "allocated-local"), 0.3)


def scopes() -> Iterator[Claim]:
    """Global against local ranking."""
    for density in ("0.08", "0.04"):
        claim = f"local ranking is better than global, LeNet-300-100 at {1 / float(density):g}x"
        found = _less(f"scope-local-{density}", f"scope-global-{density}")
        yield difference("Khan & Mandal 2023, 2305.08075", claim, found)


def conv_dense() -> Iterator[Claim]:
    """Channels of convolutions against units of the dense layer: at equal parameters, and at equal latency.

    At equal latency there is nothing to compare errors of if the dense-cut file of a quarter of the parameters is still
    slower than the conv-cut one of half: no dense-cut net between them is as fast.
    """
    paper, claim = "Khan & Mandal 2023 against Han 2015; LeNet-5", "cutting convolutions is better than cutting dense"
    path = RESULTS / "latency-cut.json"
    over = json.loads(path.read_text())["over"] if path.exists() else {}
    for less, share in (("", "half"), ("-more", "a quarter")):
        conv, dense = f"cut-conv{less}", f"cut-dense{less}"
        line = difference(paper, f"{claim}, at {share} of the parameters", _less(conv, dense))
        if line.verdict != "not run yet":
            line = replace(line, ours=f"{line.ours} {_at_equal_size(conv, dense, over)}")
        yield line
    claim = "at equal latency: cutting dense alone never gets as fast"
    target = "dense cut to a quarter is slower than convolutions cut to half"
    if not over:
        yield not_run(paper, claim, target)
        return
    ratio = over["cut-dense-more / cut-conv"]
    ours = f"{ratio['median']:.2f}x ({ratio['low']:.2f} to {ratio['high']:.2f}) as long"
    yield Claim(paper, claim, target, ours, above(Interval(ratio["median"], ratio["low"], ratio["high"]), 1.0))


def surgeon() -> Iterator[Claim]:
    """OBS, OBD and magnitude, at once to a tenth of the weights."""
    paper = "Hassibi & Stork 1993, LeCun 1990; LeNet-300-100 at 10x, no retraining"
    for better, worse in (("obs", "obd"), ("obd", "magnitude")):
        claim = f"{better.upper()} is no worse than {worse.upper() if worse == 'obd' else worse}"
        yield no_worse(paper, claim, _less(f"one-shot-{better}", f"one-shot-{worse}"), 0.2)


def hinton() -> Iterator[Claim]:
    """Distillation on MNIST, in wrong answers of 10,000."""
    paper = "Hinton 2015, 1503.02531"
    claim, target = "teacher of 2 x 1200 units: 67 wrong (it teaches nobody here)", "≤ 67 wrong"
    teacher = _wrong("hinton-teacher")
    yield (
        Claim(paper, claim, target, f"{teacher[0]} wrong, 1 seed", judged(teacher[0] <= 67))
        if teacher
        else not_run(paper, claim, target)
    )
    claim, target = (
        "student alone 146, distilled 74 wrong; here taught by a small CNN",
        "on shifted pictures ≤ 70 (mean of 5)",
    )
    alone, taught, shifted = (_wrong(f"hinton-{arm}") for arm in ("alone", "distilled", "distilled-shifted"))
    if alone and taught and shifted:
        ours = (
            f"alone {spread(alone)}, distilled {spread(taught)}, on shifted pictures {spread(shifted)}; 30 epochs each"
        )
        yield Claim(paper, claim, target, ours, judged(statistics.mean(shifted) <= 70))
    else:
        yield not_run(paper, claim, target)
    yield _never_seen(paper)


def _never_seen(paper: str) -> Claim:
    """A student that never saw a 3."""
    claim = "never having seen a 3: 206, bias put right 109; here taught by a small CNN"
    target, path = "≤ 109 with the bias put right (mean of 5)", RESULTS / "missing3.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    runs = {run["seed"]: run for run in known.get("runs", ())}
    if known.get("teacher") != DISTILLED_BY or not runs.keys() >= set(FIVE):
        return not_run(paper, claim, target)
    before, after = ([runs[seed][key] for seed in FIVE] for key in ("wrong", "wrong_with_bias"))
    ours = f"{spread(before)}, bias put right {spread(after)}, {len(runs)} seeds"
    return Claim(paper, claim, target, ours, judged(statistics.mean(after) <= 109))


def assistant() -> Iterator[Claim]:
    """A teacher's assistant between a big teacher and a small student."""
    paper = "Mirzadeh 2020, 1902.03393; narrow plain CNNs 2 ← 4 ← 10, CIFAR-10"
    for claim, better, worse in (
        ("through an assistant is better than by the teacher", "assistant-chain", "assistant-teacher"),
        ("by the teacher is better than alone", "assistant-teacher", "assistant-none"),
    ):
        yield difference(paper, claim, _less(better, worse))


def factorized() -> Claim:
    """Low rank layers: weights, and points of held-out accuracy lost between the Keras models before and after."""
    paper, target = "KerasCompressor; LeNet-5", "≥ 5x fewer weights in the factorized layers, ≤ 1 point"
    runs = list(runs_of("factorized").values())
    if not runs or not all(run.get("layers") for run in runs):
        return not_run(paper, "one error knob", target)
    times = min(_thinner(run["layers"]) for run in runs)
    ends = [(run["stages"][0], _last_keras(run)) for run in runs]
    lost = [100 * (before["accuracy"] - after["accuracy"]) for before, after in ends]
    thin = ", ".join(layer for layer in LENET5_WEIGHTS if layer not in runs[0]["layers"])
    ours = f"{times:.1f}x in {thin}; {spread(lost)} points of held-out accuracy lost"
    return Claim(paper, "one error knob", target, ours, judged(times >= 5 and statistics.mean(lost) <= 1))


def _thinner(layers: dict[str, int]) -> float:
    """How many times fewer weights the factorized layers have; 1 if none is. Factors have names of their own."""
    thin = [layer for layer in LENET5_WEIGHTS if layer not in layers]
    left = sum(size for name, size in layers.items() if name not in LENET5_WEIGHTS)
    return sum(LENET5_WEIGHTS[layer] for layer in thin) / left if thin else 1.0


def _last_keras(run: Run) -> Run:
    return next(stage for stage in reversed(run["stages"]) if stage["name"] != "quantize")


def fetches() -> Iterator[Claim]:
    """Energy of weight fetches, by the places of the weights in the kept file."""
    paper, example = "Han 2015, Table 1 (45 nm)", watts(10**9, 20)
    exact = judged(round(example, 9) == 12.8)
    yield Claim(paper, "a billion connections at 20 Hz: 12.8 W", "12.8 W", f"{example:.1f} W", exact)
    for name in ("lenet300-han", "lenet5-han"):
        runs, kept = list(runs_of(name).values()), MODELS / f"{name}.tflite"
        claim, target = f"fetches of {name} from DRAM, float32", "≥ 12x less"
        if not runs or not kept.exists():
            yield not_run(paper, claim, target)
            continue
        layers = stored(read_graph(kept.read_bytes()))
        dense, ours = joules(runs[0]["dense_parameters"]), sum(layer.joules() for layer in layers)
        weights, filled = sum(layer.weights for layer in layers), sum(layer.fillers for layer in layers)
        text = (
            f"{dense * 1e6:.0f} → {ours * 1e6:.1f} µJ, {dense / ours:.1f}x less; index of 5 bits (convolutions 8) and"
        )
        text += f" {filled:,} fillers to {weights:,} weights included"
        yield Claim(paper, claim, target, text, judged(dense / ours >= 12))


def all_claims() -> Iterator[Claim]:
    """Every line, in the order of the table."""
    han, dns = "Han 2015, 1506.02626", "DNS 2016, 1608.04493"
    yield headline("lenet300-han", f"{han}; LeNet-300-100, {UNAIDED}", "12x at 1.59 %", 20, 1.59)
    yield headline("lenet300-all", f"{dns}; LeNet-300-100, everything allowed", "56x at 1.99 %", 56, 1.59)
    yield headline("lenet5-han", f"{han}; LeNet-5, {UNAIDED}", "12x at 0.77 %", 20, 0.77)
    yield headline("lenet5-all", f"{dns}; LeNet-5, everything allowed", "108x at 0.91 %", 108, 0.77)
    yield structured()
    groups: tuple[Callable[[], Iterator[Claim]], ...]
    groups = (
        orderings,
        ablations,
        scopes,
        conv_dense,
        surgeon,
        hinton,
        assistant,
        fetches,
        deep,
        binaryconnect,
        hashednets,
        codebooks,
        depthwise,
        orders,
    )
    for group in groups:
        yield from group()
    yield allocation()
    yield factorized()


def _less(better: str, worse: str) -> Interval | None:
    return less_error([(better, worse)])


def _at_equal_size(conv: str, dense: str, over: dict[str, Run]) -> str:
    """The sizes of a pair's files, and how much faster the one with cut convolutions is."""
    kilobytes = (max(run["model_bytes"] for run in runs_of(name).values()) / 1000 for name in (conv, dense))
    timed = f"the cut convolutions are {over[f'{dense} / {conv}']['median']:.2f}x faster" if over else "not timed yet"
    return f"at equal parameters and bytes ({' and '.join(f'{size:.0f}' for size in kilobytes)} kB); {timed}"


def _wrong(experiment: str) -> list[int]:
    return [run["wrong"] for run in runs_of(experiment).values()]
