"""report.json: every key that the architecture promises, raw samples, and null where nothing is known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from bramble.bundle import packed_model_bytes
from bramble.report.facts import KEYS, LATER, make_report
from bramble_agent.wire import Scores
from making import bundle_digest, make_zip

from .by_hand import AFTER, FACTS, MICROSECONDS, SCORES, bench, bundle, on_board, report

PROMISED = {  # the architecture's list, word by word
    "accuracy": {"float", "shipped"},
    "size": {"float_bytes", "model_bytes", "shipped_bytes"},
    "parameters": {"total", "nonzero"},
    "latency": {"samples_ns", "p50_ms", "p90_ms", "p95_ms", "p99_ms"},
    "memory": {"rss_before_bytes", "rss_loaded_bytes", "peak_rss_bytes"},
    "energy": {"method", "joules_per_inference", "interval"},
    "verify": {"max_lsb", "checked"},
}
PROMISED_PLAIN = {
    "version",
    "recipe",
    "bundle",
    "board",
    "verdict",
    "budget",
    "macs",
    "stages",
    "conditions",
    "warnings",
}
BUILT = {
    "recipe": {"stage": [{"do": "quantize", "scheme": "int8"}]},
    "stages": [{"name": "train", "seconds": 2.5, "accuracy": 0.93, "parameters": 9258, "nonzero": 9000}],
}


def test_every_promised_key_is_there(tmp_path: Path) -> None:
    """No key that scripts rely on is missing, and the reader knows all of them."""
    made = report(tmp_path)
    assert set(made) >= PROMISED_PLAIN
    for name, keys in PROMISED.items():
        assert keys <= set(made[name])
    assert set(made) == KEYS | LATER


def test_report_is_json(tmp_path: Path) -> None:
    """A report survives being written and read."""
    made = report(tmp_path)
    assert json.loads(json.dumps(made)) == made


def test_what_the_bundle_says(tmp_path: Path) -> None:
    """Scores, sizes and names come from the bundle's manifest."""
    made = report(tmp_path / "b", provenance={"recipe": "mine"})
    assert (made["version"], made["recipe"]) == (1, "mine")
    assert made["bundle"] == bundle_digest(tmp_path / "b")
    assert made["accuracy"] == {"float": 0.9333, "shipped": 0.925, "tested": 360}
    assert made["parameters"] == {"total": 9258, "nonzero": 9000}
    assert made["macs"] == 87_360
    model_bytes = (tmp_path / "b" / "model.tflite").stat().st_size
    packed = packed_model_bytes(make_zip(tmp_path / "b", tmp_path / "b.zip"))
    assert made["size"] == {"float_bytes": 40_000, "model_bytes": model_bytes, "shipped_bytes": packed}
    assert made["model"]["labels"] == ["left", "right", "même"]


def test_what_the_board_says(tmp_path: Path) -> None:
    """Board, memory, energy, golden answers and conditions come through unchanged."""
    made = report(tmp_path)
    assert "hostname" not in made["board"]
    assert (made["board"]["name"], made["board"]["model"]) == ("pi", FACTS.model)
    assert made["memory"] == {
        "rss_before_bytes": 40_000_000,
        "rss_loaded_bytes": 45_000_000,
        "peak_rss_bytes": 52_000_000,
    }
    assert (made["energy"]["method"], made["energy"]["joules_per_inference"]) == ("pmic", 0.002)
    assert made["energy"]["interval"] == [0.001, 0.003]
    assert (made["verify"]["max_lsb"], made["verify"]["checked"]) == (0, 4)
    assert made["conditions"]["after"]["temp_c"] == 55.5
    assert (made["conditions"]["threads"], made["conditions"]["kernels"]) == (1, "xnnpack")


def test_samples_are_kept_raw_and_warm_ups_apart(tmp_path: Path) -> None:
    """Every sample is in the report, in the order it was taken, and no warm-up among them."""
    shuffled = MICROSECONDS[50:] + MICROSECONDS[:50]
    latency = report(tmp_path, on_board(bench=bench(shuffled)))["latency"]
    assert latency["samples_ns"] == list(shuffled)
    assert latency["warmup_ns"] == [500_000, 200_000]
    assert latency["load_ms"] == 3.0


def test_percentiles_by_hand(tmp_path: Path) -> None:
    """Of 1, 2, … 100 µs the 50th, 90th and 95th in ms; 100 samples do not carry p99."""
    latency = report(tmp_path)["latency"]
    assert [latency[f"p{n}_ms"] for n in (50, 90, 95, 99)] == [0.050, 0.090, 0.095, None]


@pytest.mark.parametrize(("count", "known"), [(7, 0), (8, 1), (43, 1), (44, 2), (90, 3), (458, 3), (459, 4)])
def test_percentiles_are_null_where_samples_do_not_carry_them(tmp_path: Path, count: int, known: int) -> None:
    """p50 needs 8 samples, p90 44, p95 90, p99 459."""
    latency = report(tmp_path, on_board(bench=bench((2000,) * count)))["latency"]
    expected = [0.002] * known + [None] * (4 - known)
    assert [latency[f"p{n}_ms"] for n in (50, 90, 95, 99)] == expected


def test_build_without_a_board(tmp_path: Path) -> None:
    """Before any board was asked, everything a board tells is null, and the latency's limit undecided."""
    made = make_report(bundle(tmp_path), BUILT, None)
    for name in ("board", "latency", "memory", "energy", "verify", "conditions"):
        assert made[name] is None
    assert made["warnings"] == []
    assert made["verdict"] == "undecided"
    verdicts = {line["name"]: line["verdict"] for line in made["budget"]}
    assert verdicts == {"accuracy": "pass", "size_bytes": "pass", "p95_ms": "undecided"}


def test_facts_of_the_run_go_in(tmp_path: Path) -> None:
    """The recipe and the stages come from the run that built the bundle."""
    made = make_report(bundle(tmp_path), BUILT, None)
    assert made["stages"] == BUILT["stages"]
    assert made["recipe_table"] == BUILT["recipe"]


def test_budget_lines_carry_value_limit_and_reason(tmp_path: Path) -> None:
    """Each line of the budget tells what was measured; the golden answers are the last one."""
    lines = report(tmp_path)["budget"]
    assert [line["name"] for line in lines] == ["accuracy", "size_bytes", "p95_ms", "golden_answers"]
    assert lines[2] == {"name": "p95_ms", "limit": 5.0, "value": 0.095, "verdict": "pass", "reason": ""}
    assert report(tmp_path / "again")["verdict"] == "pass"


def test_warnings_go_in_with_code_and_advice(tmp_path: Path) -> None:
    """A board that got hot is in the report as data."""
    hot = bench((2000,) * 100, after=replace(AFTER, temp_c=81.0))
    (warning,) = report(tmp_path, on_board(bench=hot))["warnings"]
    assert (warning["code"], warning["spoils"]) == ("hot", True)
    assert set(warning) == {"code", "message", "advice", "spoils"}


def test_bundle_from_elsewhere_has_nulls(tmp_path: Path) -> None:
    """A bundle without scores says null, not zero, and is undecided where it has to reach an accuracy."""
    made = make_report(bundle(tmp_path, scores=Scores()), {}, on_board())
    assert made["accuracy"] == {"float": None, "shipped": None, "tested": 0}
    assert made["macs"] is None
    assert made["verdict"] == "undecided"
    assert SCORES.accuracy is not None


def test_time_of_creation_has_its_zone(tmp_path: Path) -> None:
    """The report says when it was made, in a form that other programs read, with its offset."""
    assert datetime.fromisoformat(report(tmp_path)["created"]).utcoffset() is not None
