"""What the committed results say about each claim: one function a claim, one line of the table each."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from energy import INDEX_BITS, joules, watts
from experiments import DENSITIES
from stats import RESULTS, Interval, errors, interval, less_error, runs_of, spread

POINTS = "points"


@dataclass(frozen=True)
class Claim:
    """A line of the table.

    ``verdict`` is reached or missed for a target; for a paper's claim it holds, is refuted, or is not shown.
    """

    paper: str
    claim: str
    target: str
    ours: str
    verdict: str


def not_run(paper: str, claim: str, target: str) -> Claim:
    """A line whose results are not there yet."""
    return Claim(paper, claim, target, "–", "not run yet")


def judged(reached: bool) -> str:
    """The verdict on a target."""
    return "reached" if reached else "missed"


def headline(name: str, paper: str, claim: str, times: float, error: float) -> Claim:
    """Times fewer non-zero parameters than the dense net, at no more error."""
    target, runs = f"≥ {times:g}x at ≤ {error:g} %", runs_of(name)
    if len(runs) < 3:
        return not_run(paper, claim, target)
    found = errors(name)
    least = min(run["dense_parameters"] / run["nonzero"] for run in runs)
    packed = statistics.mean(run["compressed_bytes"] for run in runs)
    ours = f"{least:.1f}x at {spread(found)} %, {len(runs)} seeds, {packed / 1000:.1f} kB compressed"
    return Claim(paper, claim, target, ours, judged(statistics.mean(found) <= error and least >= times))


def structured() -> Claim:
    """Whole units: Scalpel's 9-18-65 units of LeNet-5, its file and its latency beside the dense int8 file's."""
    runs, paper = runs_of("lenet5-structured"), "Scalpel 2017; LeNet-5"
    target = "≤ 9-18-65 units at ≤ 0.66 %, int8 ≤ 30 kB, ≥ 3x faster than dense"
    timed = RESULTS / "latency.json"
    if len(runs) < 3 or not timed.exists():
        return not_run(paper, "9-18-65 units at 0.66 %", target)
    found, size = errors("lenet5-structured"), max(run["model_bytes"] for run in runs)
    ratio = json.loads(timed.read_text())["dense_over_structured"]["median"]
    widths = runs[0]["recipe"]["stage"][1]["widths"]
    units = "-".join(str(widths[layer]) for layer in ("conv1", "conv2", "fc1"))
    ours = f"{units} units at {spread(found)} %, {size:,} B, {ratio:.2f}x faster"
    reached = statistics.mean(found) <= 0.66 and size <= 30_000 and ratio >= 3.0
    return Claim(paper, "9-18-65 units at 0.66 %", target, ours, judged(reached))


def orderings() -> Iterator[Claim]:
    """Han's Fig. 5, over the densities where curves part (0.15 and below): differences paired by seed."""
    paper = "Han 2015, Fig. 5; LeNet-300-100"
    pairs = (
        ("without retraining L1 is better than L2", "fig5-l1-only", "fig5-l2-only"),
        ("after retraining L2 is better than L1", "fig5-l2-retrained", "fig5-l1-retrained"),
        ("retraining is better than none (L2)", "fig5-l2-retrained", "fig5-l2-only"),
        ("iterative is better than at once (L2)", "fig5-l2-iterative", "fig5-l2-retrained"),
    )
    for claim, better, worse in pairs:
        found = _over_densities(better, worse)
        yield _difference(paper, claim, found)


def ablations() -> Iterator[Claim]:
    """Han's rules against their absence."""
    paper = "Han 2015, sections 3.1–3.5; LeNet-300-100 at 12x"
    rules = (
        ("the dropout rule helps retraining", "base", "no-dropout-rule"),
        ("keep weights, do not re-initialise", "base", "reinitialised"),
        ("threshold, do not draw", "base", "probabilistic"),
        ("L2 after L1 is better than L1 throughout", "l1-then-l2", "l1-then-l1"),
        ("L2 throughout is better than L1 then L2", "base", "l1-then-l2"),
    )
    for claim, better, worse in rules:
        yield _difference(paper, claim, less_error(f"ablation-{better}", f"ablation-{worse}"))
    with_dead, without = runs_of("ablation-dead-stay"), runs_of("ablation-base")
    claim, target = "dead units can go", "fewer parameters, the same answers"
    if not with_dead or not without:
        yield not_run(paper, claim, target)
        return
    pairs = list(zip(with_dead, without, strict=True))
    saved = [100 * (1 - b["parameters"] / a["parameters"]) for a, b in pairs]
    changed = max(abs(a["wrong"] - b["wrong"]) for a, b in pairs)
    ours = f"{spread(saved)} % fewer parameters in the graph; wrong answers differ by {changed} at most"
    yield Claim(paper, claim, target, ours, judged(min(saved) > 0 and changed == 0))


def allocation() -> Claim:
    """Densities by sensitivity against one for all."""
    found = less_error("allocated-sensitivity", "allocated-local")
    claim = "densities by sensitivity beat one density, LeNet-300-100 at 25x"
    return _difference("Han 2015, Fig. 6", claim, found, 0.3)


def scopes() -> Iterator[Claim]:
    """Global against local ranking."""
    for density in ("0.08", "0.04"):
        claim = f"local ranking is better than global, LeNet-300-100 at {1 / float(density):g}x"
        found = less_error(f"scope-local-{density}", f"scope-global-{density}")
        yield _difference("Khan & Mandal 2023, 2305.08075", claim, found)


def conv_dense() -> Iterator[Claim]:
    """Channels of convolutions against units of the dense layer."""
    for less, word in (("", "half of the parameters"), ("-more", "a fifth of the parameters")):
        claim = f"cutting convolutions is better than cutting dense layers, LeNet-5 at {word} and of the bytes"
        found = less_error(f"cut-conv{less}", f"cut-dense{less}")
        yield _difference("Khan & Mandal 2023 against Han 2015", claim, found)


def surgeon() -> Iterator[Claim]:
    """OBS, OBD and magnitude, at once to a tenth of the weights."""
    paper = "Hassibi & Stork 1993, LeCun 1990; LeNet-300-100 at 10x, no retraining"
    for better, worse in (("obs", "obd"), ("obd", "magnitude")):
        found = less_error(f"one-shot-{better}", f"one-shot-{worse}")
        claim = f"{better.upper()} is no worse than {worse.upper() if worse == 'obd' else worse}"
        yield _difference(paper, claim, found, 0.0)


def hinton() -> Iterator[Claim]:
    """Distillation on MNIST, in wrong answers of 10,000."""
    paper = "Hinton 2015, 1503.02531"
    alone, taught = _wrong("hinton-alone"), _wrong("hinton-distilled")
    shifted, teacher = _wrong("hinton-distilled-shifted"), _wrong("hinton-teacher")
    if len(shifted) < 5 or not teacher:
        yield not_run(paper, "67 / 146 / 74 wrong", "student ≤ 70 (mean of 5)")
    else:
        best = min(statistics.mean(taught), statistics.mean(shifted))
        ours = (
            f"teacher {teacher[0]}, student alone {spread(alone)}, distilled {spread(taught)}, "
            f"distilled on shifted pictures {spread(shifted)}"
        )
        claim = "teacher 67, student alone 146, distilled 74 wrong"
        yield Claim(paper, claim, "distilled ≤ 70 (mean of 5)", ours, judged(best <= 70))
    unseen = RESULTS / "missing3.json"
    target = "≤ 109 with the bias put right"
    if not unseen.exists():
        yield not_run(paper, "never having seen a 3: 206, bias put right 109", target)
        return
    runs = json.loads(unseen.read_text())["runs"]
    before, after = ([run[key] for run in runs] for key in ("wrong", "wrong_with_bias"))
    ours = f"{spread(before)}, bias put right {spread(after)}, {len(runs)} seeds"
    reached = judged(statistics.mean(after) <= 109)
    yield Claim(paper, "never having seen a 3: 206, bias put right 109", target, ours, reached)


def assistant() -> Iterator[Claim]:
    """A teacher's assistant between a big teacher and a small student."""
    paper = "Mirzadeh 2020, 1902.03393; narrow plain CNNs 2 ← 4 ← 10, CIFAR-10"
    for claim, better, worse in (
        ("through an assistant is better than by the teacher", "assistant-chain", "assistant-teacher"),
        ("by the teacher is better than alone", "assistant-teacher", "assistant-none"),
    ):
        yield _difference(paper, claim, less_error(better, worse))


def factorized() -> Claim:
    """Low rank layers: parameters and points lost."""
    paper, target = "KerasCompressor; LeNet-5", "≥ 5x fewer parameters in the factorized layers, ≤ 1 point"
    runs = runs_of("factorized")
    if not runs:
        return not_run(paper, "one error knob", target)
    times = min(run["dense_parameters"] / run["parameters"] for run in runs)
    lost = [100 * (run["stages"][0]["accuracy"] - (1 - run["wrong"] / run["tested"])) for run in runs]
    ours = f"{times:.1f}x over all layers, {spread(lost)} points less than held-out before"
    return Claim(paper, "one error knob", target, ours, judged(times >= 5 and statistics.mean(lost) <= 1))


def fetches() -> Iterator[Claim]:
    """Energy of weight fetches."""
    paper, example = "Han 2015, Table 1 (45 nm)", watts(10**9, 20)
    exact = judged(round(example, 9) == 12.8)
    yield Claim(paper, "a billion connections at 20 Hz: 12.8 W", "12.8 W", f"{example:.1f} W", exact)
    for name in ("lenet300-han", "lenet5-han"):
        runs = runs_of(name)
        if not runs:
            yield not_run(paper, f"fetches of {name}", "≥ 12x less")
            continue
        dense = joules(runs[0]["dense_parameters"])
        ours = max(joules(run["nonzero"], 32 + INDEX_BITS) for run in runs)
        text = f"{dense * 1e6:.0f} → {ours * 1e6:.1f} µJ, {dense / ours:.1f}x less, 5-bit index included"
        yield Claim(paper, f"fetches of {name} from DRAM, float32", "≥ 12x less", text, judged(dense / ours >= 12))


def all_claims() -> Iterator[Claim]:
    """Every line, in the order of the table."""
    han, dns = "Han 2015, 1506.02626", "DNS 2016, 1608.04493"
    yield headline("lenet300-han", f"{han}; LeNet-300-100, Han's protocol", "12x at 1.59 %", 20, 1.59)
    yield headline("lenet300-all", f"{dns}; LeNet-300-100, everything allowed", "56x at 1.99 %", 56, 1.59)
    yield headline("lenet5-han", f"{han}; LeNet-5, Han's protocol", "12x at 0.77 %", 20, 0.77)
    yield headline("lenet5-all", f"{dns}; LeNet-5, everything allowed", "108x at 0.91 %", 108, 0.77)
    yield structured()
    groups: tuple[Callable[[], Iterator[Claim]], ...]
    groups = (orderings, ablations, scopes, conv_dense, surgeon, hinton, assistant, fetches)
    for group in groups:
        yield from group()
    yield allocation()
    yield factorized()


def _difference(paper: str, claim: str, found: Interval | None, least: float | None = None) -> Claim:
    """A line for points of error saved: whether the claim holds, or with ``least`` whether that many were reached."""
    target = "an interval above 0" if least is None else f"≥ {least:g} point"
    if found is None:
        return not_run(paper, claim, target)
    word = "holds" if found.low > 0 else "refuted" if found.high < 0 else "not shown"
    return Claim(paper, claim, target, f"{found} {POINTS}", word if least is None else judged(found.mean >= least))


def _over_densities(better: str, worse: str) -> Interval | None:
    """The difference in error, mean over the low densities, paired by seed."""
    low = [density for density in DENSITIES if density <= 0.15]
    rows = [
        [a - b for a, b in zip(errors(f"{worse}-{density:g}"), errors(f"{better}-{density:g}"), strict=False)]
        for density in low
    ]
    complete = min(map(len, rows))
    return interval([statistics.mean(row[seed] for row in rows) for seed in range(complete)]) if complete > 1 else None


def _wrong(experiment: str) -> list[int]:
    return [run["wrong"] for run in runs_of(experiment)]
