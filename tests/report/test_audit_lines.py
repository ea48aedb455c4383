"""The audit that a model passed, for people: on the terminal, on the page, and not where there was none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bramble.report.audit_lines import audit_lines, audit_rows
from bramble.report.facts import make_report
from bramble.report.page import make_page

from .by_hand import bundle, report
from .test_page import HOSTILE, Page
from .test_stage_table import stage
from .test_table import text

AUDIT: dict[str, Any] = {
    "scheme": "int8",
    "samples": 64,
    "mean_lsb": 0.42,
    "max_lsb": 3.0,
    "agreement": 0.984375,
    "kernels": 5,
    "simulation_mean_lsb": 0.031,
    "simulation_max_lsb": 1.0,
}


def made(folder: Path, audit: dict[str, Any]) -> dict[str, Any]:
    """The report of a run whose quantize stage has this audit."""
    return make_report(bundle(folder), {"stages": [stage("train"), stage("quantize", audit=audit)]}, None)


def test_words() -> None:
    """Both lines, and all rows of the page."""
    assert audit_lines(AUDIT) == [
        "0.42 LSB off float32, 98.44 % same class",
        "5 kernels to the bit, 0.03 LSB off ours",
    ]
    assert audit_rows(AUDIT) == [
        ("scheme", "int8"),
        ("held-out pictures", "64"),
        ("same class as float32", "98.44 %"),
        ("off float32, mean", "0.42 LSB, 3.0 at most"),
        ("kernels, bit for bit", "5"),
        ("off simulation, mean", "0.03 LSB, 1.0 at most"),
    ]


def test_other_schemes_hold_no_kernels_of_ours() -> None:
    """The converter's own int16x8 has no second line; float32 is what others are held against; none is none."""
    other = {**AUDIT, "scheme": "int16x8", "kernels": None, "simulation_mean_lsb": None, "simulation_max_lsb": None}
    assert len(audit_lines(other)) == 1
    assert len(audit_rows(other)) == 4
    for nothing in (None, {**other, "scheme": "float32"}):
        assert audit_lines(nothing) == audit_rows(nothing) == []


@pytest.mark.parametrize("width", [80, 120])
def test_terminal(tmp_path: Path, width: int) -> None:
    """Two rows below the model's, whole in 80 columns."""
    lines = text(made(tmp_path, AUDIT), width).splitlines()
    (number,) = (n for n, line in enumerate(lines) if line.startswith("  audit"))
    assert "passed    0.42 LSB off float32, 98.44 % same class" in lines[number]
    assert lines[number + 1].strip() == "5 kernels to the bit, 0.03 LSB off ours"


def test_page_and_json(tmp_path: Path) -> None:
    """The report carries the audit as it is, the page shows each figure; its words are text, not markup."""
    report_ = made(tmp_path, {**AUDIT, "scheme": HOSTILE})
    assert report_["audit"]["kernels"] == 5
    page = Page(make_page(report_))
    assert {HOSTILE, "0.03 LSB, 1.0 at most"} <= set(page.texts["td"])


def test_bundle_from_elsewhere_and_older_reports(tmp_path: Path) -> None:
    """No run, no audit: null in JSON, and the page leaves it out, also where the key is missing."""
    one = report(tmp_path)
    assert one["audit"] is None
    older = {name: value for name, value in one.items() if name != "audit"}
    for page in (make_page(one), make_page(older)):
        assert "Audit" not in page
    assert text(older) == text(one)
