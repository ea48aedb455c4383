"""What each stage left, for people: figures and ratios by hand, on wide and narrow terminals, and of older runs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bramble.report.facts import make_report
from bramble.report.files import read_report
from bramble.report.page import make_page
from bramble.report.stage_table import Cell, render_stages, stage_rows
from bramble.report.table import render

from .by_hand import bundle, report
from .test_page import Page

OLDER = Path(__file__).parent / "older.json"


def stage(name: str, **facts: Any) -> dict[str, Any]:
    """The facts of a stage; LeNet-300-100's where nothing else is said."""
    plain = {
        "seconds": 2.5,
        "nonzero": 266_610,
        "parameters": 266_610,
        "macs": 266_200,
        "accuracy": 0.98333,
        "model_bytes": 1_068_412,
        "packed_bytes": 990_000,
    }
    return {"name": name, **plain, **facts}


STAGES = [
    stage("train"),
    stage("prune", nonzero=12_286, accuracy=0.984, packed_bytes=77_953),
    stage("quantize", nonzero=12_286, accuracy=0.984, model_bytes=280_144, packed_bytes=33_300),
]
# 266,610 / 12,286 = 21.70; 990,000 / 77,953 = 12.70; 1,068,412 / 280,144 = 3.81; 990,000 / 33,300 = 29.73
WIDE = """\
  after stage  non-zero  parameters     MACs  held-out     file  deflated
  1 train       266,610     266,610  266,200   98.33 %  1.07 MB    990 kB
  2 prune        12,286     266,610  266,200   98.40 %  1.07 MB   78.0 kB
                  21.7x                                             12.7x
  3 quantize     12,286     266,610  266,200   98.40 %   280 kB   33.3 kB
                  21.7x                                    3.8x     29.7x
  file: float32 .tflite until quantize; deflated: as in the bundle's .zip
"""
NARROW = """\
  1 train
    non-zero    266,610
    parameters  266,610
    MACs        266,200
    held-out    98.33 %
    file        1.07 MB
    deflated     990 kB
  2 prune
    non-zero     12,286  21.7x
"""


def text(shown: Any, width: int) -> str:
    """What a terminal of that width shows, without the blanks at the ends of lines."""
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, markup=False, emoji=False).print(shown)
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("width", [80, 120])
def test_whole_table(width: int) -> None:
    """80 columns hold every figure, with the ratio to the first stage below what became less."""
    assert text(render_stages(STAGES), width) == WIDE


@pytest.mark.parametrize("width", [40, 60])
def test_narrow_terminal_gets_a_block_a_stage(width: int) -> None:
    """Where the table does not fit, each figure has a line, and none is cut."""
    shown = text(render_stages(STAGES), width)
    assert shown.startswith(NARROW)
    assert "    deflated    33.3 kB  29.7x\n" in shown


@pytest.mark.parametrize(
    ("value", "times"),
    [(100, ""), (96, ""), (95, "1.1x"), (50, "2.0x"), (200, "0.5x"), (1, "100x"), (3, "33.3x"), (0, "")],
)
def test_ratios_by_hand(value: int, times: str) -> None:
    """100 against ``value``; nothing is said of what stayed the same, or of nothing at all; more is below 1."""
    rows = stage_rows([stage("train", nonzero=100), stage("prune", nonzero=value)])
    assert rows[1].cells[0] == Cell(f"{value:,}", times)


def test_numbers_are_not_compared_with_accuracies() -> None:
    """An accuracy that fell is no ratio."""
    (_, after) = stage_rows([stage("train", accuracy=0.9), stage("prune", accuracy=0.3)])
    assert after.cells[3] == Cell("30.00 %", "")


def test_what_an_older_run_does_not_say_is_a_dash() -> None:
    """Stages without sizes, or with sizes only at the end, are shown without ratios."""
    older = [
        {"name": "train", "seconds": 1.0, "nonzero": 10, "parameters": 10, "accuracy": None},
        {"name": "quantize", "seconds": 1.0, "nonzero": 10, "parameters": 10, "accuracy": 0.5, "model_bytes": 1000},
    ]
    first, last = stage_rows(older)
    assert [cell.shown for cell in first.cells] == ["10", "10", "–", "–", "–", "–"]
    assert last.cells[4] == Cell("1.00 kB", "")


def test_terminal_shows_stages_after_a_build_only(tmp_path: Path) -> None:
    """A board's report keeps to what was measured; the stages are on its page."""
    made = make_report(bundle(tmp_path / "built"), {"stages": STAGES}, None)
    assert WIDE in text(render(made), 80)
    assert "after stage" not in text(render({**report(tmp_path / "pi"), "stages": STAGES}), 80)


def test_page_shows_every_stage(tmp_path: Path) -> None:
    """The page has each figure, ratio, and the seconds, and says what deflated means."""
    page = Page(make_page(make_report(bundle(tmp_path), {"stages": STAGES}, None)))
    assert {"1 train", "266,610", "78.0 kB", "2.5"} <= set(page.texts["td"])
    assert {"21.7x", "12.7x", "29.7x"} <= set(page.texts["span"])
    assert any("as in the bundle's .zip" in text for text in page.texts["p"])


def test_report_of_an_older_version_opens() -> None:
    """A report that was written before stages told their sizes is read, and its page drawn."""
    held = read_report(OLDER)
    assert held == json.loads(OLDER.read_text())
    assert "packed_bytes" not in held["stages"][0], "this report is not old enough for the test"
    assert "9,258" in Page(make_page(held)).texts["td"]
    assert "after stage" in text(render({**held, "board": None}), 80)
