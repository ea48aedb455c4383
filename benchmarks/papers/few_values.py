"""What the committed results say of nets with few values: shared ones, hashed ones, single bits, and packed files."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace

from lines import Claim, difference, judged, no_worse, not_run
from stats import Interval, Run, errors, less_error, runs_of, spread


def deep() -> Iterator[Claim]:
    """Deep Compression: the packed .tflite that ships, whole, and its test error."""
    paper = "Han 2016, 1510.00149; everything allowed"
    for net, name, claim, dense, most, error in (
        (
            "LeNet-300-100, taught, shifts",
            "deep-lenet300",
            "40x, 27 KB at 1.58 %",
            1_070_000,
            10_700,
            1.58,
        ),
        ("LeNet-5, taught, shifts", "deep-lenet5", "39x, 44 KB at 0.74 %", 1_720_000, 10_600, 0.74),
    ):
        target, runs = f"≤ {most / 1000:g} kB shipped at ≤ {error:g} %", list(runs_of(name).values())
        if not runs:
            yield not_run(f"{paper}; {net}", claim, target)
            continue
        found, sizes = errors(name), [run["compressed_bytes"] for run in runs]
        bits = ", ".join(f"{layer} {count}" for layer, count in _shared(runs[0]).items())
        ours = f"{max(sizes):,} B at most ({dense / max(sizes):.0f}x) at {spread(found)} %, {len(runs)} seeds"
        yield Claim(
            f"{paper}; {net}",
            claim,
            target,
            f"{ours}; values shared: {bits}",
            judged(statistics.mean(found) <= error and max(sizes) <= most),
        )


def _shared(run: Run) -> dict[str, int]:
    """How many values the weights of each layer share, as the last stage leaves them."""
    (stage,) = (one for one in run["stages"] if one["name"] == "cluster")
    return {name: one["values"] for name, one in stage["shared"].items()}


def binaryconnect() -> Iterator[Claim]:
    """One bit a weight on MNIST: the paper's two rules as it trained them, and with a teacher and shifts."""
    paper = "Courbariaux 2015, 1511.00363; MNIST, 3 x 1024 units at 1 bit"
    arms = (
        ("deterministic: 1.29 % in the paper", "deterministic", 1.29),
        ("stochastic: 1.18 % in the paper, there with real weights", "stochastic", 1.18),
        ("everything allowed", "taught", 1.15),
    )
    for claim, word, most in arms:
        yield _at_most(paper, claim, f"binaryconnect-{word}", most)


def hashednets() -> Iterator[Claim]:
    """1/64 of a net's parameters, by a hash."""
    paper = "Chen 2015, 1504.04788; MNIST, 784-1000-10 at 1/64"
    for claim, word in (("2.79 % in the paper", "alone"), ("taught", "taught")):
        line = _at_most(paper, claim, f"hashednets-{word}", 2.79)
        stored_ = {_values(run) for run in runs_of(f"hashednets-{word}").values()}
        if stored_:
            ours = f"{line.ours}, {max(stored_):,} parameters stored"
            line = replace(line, ours=ours, verdict=line.verdict if stored_ == {12_422} else judged(False))
        yield line


def codebooks() -> Iterator[Claim]:
    """Shared values against none: points of error lost."""
    for count in (32, 16, 8):
        found = _less(f"codebook-cluster-{count}", "codebook-none")
        yield no_worse("Han 2015, 1510.00149; LeNet-300-100", f"{count} values a layer lose nothing", found, 0.2)
    found = _less("codebook-cluster-8", "codebook-vector-2x64")
    claim = "at 3 bits a weight shared values are better than product quantization"
    yield difference("Han 2015 against Gong 2014, 1412.6115; LeNet-300-100", claim, found)


def _at_most(paper: str, claim: str, name: str, most: float) -> Claim:
    """A mean test error that is asked for."""
    found, target = errors(name), f"≤ {most:g} %"
    if not found:
        return not_run(paper, claim, target)
    ours = f"{spread(found)} %, {len(found)} seeds"
    return Claim(paper, claim, target, ours, judged(statistics.mean(found) <= most))


def _values(run: Run) -> int:
    """What a hashed net stores: the values of its buckets and its biases."""
    (stage,) = (one for one in run["stages"] if one["name"] == "hash")
    hashed = sum(stage["shared"][name]["weights"] for name in stage["hashed"])
    return sum(one["buckets"] for one in stage["hashed"].values()) + int(stage["parameters"]) - hashed


def _less(better: str, worse: str) -> Interval | None:
    return less_error([(better, worse)])
