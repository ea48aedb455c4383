"""``report.json``: all raw facts of a build, and of a board if there was one, under keys that scripts rely on.

Keys may be added; none is renamed without a new ``version``. Version history: 1 (2026-11).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from bramble import __version__
from bramble.report.conditions import warnings_of
from bramble.report.verdict import Measured, judge, overall
from bramble.tflite import deflated_bytes
from bramble_agent.bundle import Bundle
from bramble_agent.codec import encode
from bramble_agent.timing import percentile
from bramble_agent.wire import BenchAnswer, BoardFacts, Pixels, TensorSpec, VerifyAnswer

REPORT_VERSION = 1
PERCENTILES = (50, 90, 95, 99)
# fmt: off
KEYS = frozenset({
    "version", "bramble", "created", "recipe", "recipe_table", "bundle", "board", "verdict", "budget", "accuracy",
    "size", "parameters", "macs", "stages", "model", "latency", "memory", "energy", "verify", "conditions", "warnings",
    "provenance",
})
# fmt: on
LATER = frozenset({"audit", "layers"})  # keys that reports of earlier Brambles do not have
Facts = dict[str, Any]


@dataclass(frozen=True)
class OnBoard:
    """What a board said: who it is, whether it gives the golden answers, how fast it is; and what was sent for that."""

    name: str
    facts: BoardFacts
    verify: VerifyAnswer
    bench: BenchAnswer
    sent_bytes: int = 0


def make_report(bundle: Bundle, built: Facts, on_board: OnBoard | None) -> Facts:
    """The report of a bundle. ``built`` are the facts of the run that made it ({} for a bundle from elsewhere)."""
    manifest, scores = bundle.manifest, bundle.manifest.scores
    bench = on_board.bench if on_board else None
    warnings = tuple(warnings_of(bench)) if bench else ()
    model_bytes = manifest.files["model.tflite"].size_bytes
    verify = on_board.verify if on_board else None
    lines = judge(manifest.budget, Measured(scores, model_bytes, verify, bench, warnings))
    return {
        "version": REPORT_VERSION,
        "bramble": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": manifest.provenance.get("recipe", manifest.name),
        "recipe_table": built.get("recipe"),
        "bundle": bundle.digest,
        "board": _board(on_board) if on_board else None,
        "verdict": overall(lines).value,
        "budget": [asdict(line) for line in lines],
        "accuracy": {"float": scores.float_accuracy, "shipped": scores.accuracy, "tested": scores.tested},
        "size": {
            "float_bytes": scores.float_bytes,
            "model_bytes": model_bytes,
            "shipped_bytes": len(bundle.packed) if bundle.packed else deflated_bytes(bundle.read("model.tflite")),
        },
        "parameters": {"total": scores.parameters, "nonzero": scores.nonzero},
        "macs": scores.macs,
        **_stages(built.get("stages", [])),
        "model": _model(bundle),
        "audit": next((stage["audit"] for stage in reversed(built.get("stages", [])) if stage.get("audit")), None),
        "latency": _latency(bench),
        "memory": _memory(bench),
        "energy": encode(bench.energy) if bench else None,
        "verify": encode(verify) if verify else None,
        "conditions": _conditions(bench),
        "warnings": [asdict(warn) for warn in warnings],
        "provenance": manifest.provenance,
    }


def _stages(stages: list[Facts]) -> Facts:
    """The stages, and apart from them the table of layers that the last one may carry."""
    layers = next((stage["layers"] for stage in reversed(stages) if stage.get("layers")), None)
    return {"stages": [{k: v for k, v in stage.items() if k != "layers"} for stage in stages], "layers": layers}


def _board(said: OnBoard) -> Facts:
    """What the board is; its host name stays out, a report is made to be shown around."""
    facts = encode(said.facts)
    return {"name": said.name, **{name: value for name, value in facts.items() if name != "hostname"}}


def _model(bundle: Bundle) -> Facts:
    manifest = bundle.manifest
    shown: tuple[TensorSpec | Pixels, ...] = (*manifest.inputs, *manifest.outputs)
    return {
        "tensors": [encode(spec) for spec in shown],
        "pixels": encode(manifest.pixels),
        "operators": [encode(op) for op in manifest.operators],
        "minimum_runtime": manifest.minimum_runtime,
        "labels": list(bundle.labels),
    }


def _latency(bench: BenchAnswer | None) -> Facts | None:
    if bench is None:
        return None
    values = {f"p{n}_ms": percentile(bench.samples_ns, n / 100) for n in PERCENTILES}
    return {
        "samples_ns": list(bench.samples_ns),
        "warmup_ns": list(bench.warmup_ns),
        "load_ms": bench.load_ns / 1e6,
        **{name: None if value is None else value / 1e6 for name, value in values.items()},
    }


def _memory(bench: BenchAnswer | None) -> Facts | None:
    if bench is None:
        return None
    return {name: getattr(bench, name) for name in ("rss_before_bytes", "rss_loaded_bytes", "peak_rss_bytes")}


def _conditions(bench: BenchAnswer | None) -> Facts | None:
    if bench is None:
        return None
    return {
        "runtime": bench.runtime,
        "kernels": bench.kernels,
        "threads": bench.threads,
        "cpu_s": bench.cpu_s,
        "before": encode(bench.before),
        "after": encode(bench.after),
    }
