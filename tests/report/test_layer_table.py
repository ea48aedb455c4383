"""Han's table for people: on the terminal and on the page, its numbers as the paper prints them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bramble.report.facts import make_report
from bramble.report.layer_table import render_layers
from bramble.report.page import make_page

from .by_hand import bundle, report
from .test_page import HOSTILE, Page
from .test_stage_table import stage, text

LAYERS: dict[str, Any] = {
    "pictures": 1000,
    "rows": [
        {"name": "conv1", "weights": 500, "flop": 576_000, "active": 0.82, "kept": 0.66, "flop_left": 0.66},
        {"name": "conv2", "weights": 25_000, "flop": 3_200_000, "active": 0.72, "kept": 0.12, "flop_left": 0.0984},
    ],
    "total": {"weights": 25_500, "flop": 3_776_000, "active": 0.79, "kept": 0.1306, "flop_left": 0.18405},
}
SHOWN = """\
  layer  weights    FLOP  act %  weights %  FLOP %
  conv1      500   576 k   82.0       66.0    66.0
  conv2   25.0 k  3.20 M   72.0       12.0     9.8
  total   25.5 k  3.78 M   79.0       13.1    18.4
  act %: non-zero values handed on, over 1,000 held-out pictures
  FLOP %: work left where zero weights and zero inputs are skipped
"""


@pytest.mark.parametrize("width", [66, 80, 120])
def test_whole_table(width: int) -> None:
    """A row a layer and the total, in the paper's columns."""
    assert text(render_layers(LAYERS), width) == SHOWN


def test_long_names_are_folded_and_numbers_stay_whole() -> None:
    """On 60 columns a long name takes more lines; nothing is cut."""
    rows = [{**LAYERS["rows"][0], "name": "block_with_quite_a_long_name/conv"}]
    shown = text(render_layers({**LAYERS, "rows": rows}), 60)
    assert "…" not in shown
    assert "3.78 M" in shown


def test_page_folds_the_table(tmp_path: Path) -> None:
    """The report takes the table out of its stage; the page shows it folded."""
    stages = [stage("train"), stage("quantize", layers=LAYERS)]
    made = make_report(bundle(tmp_path), {"stages": stages}, None)
    assert made["layers"] == LAYERS
    assert [one for one in made["stages"] if "layers" in one] == []
    page = Page(make_page(made))
    assert page.seen.count("details") == 1
    assert {"conv2", "3.20 M", "9.8", "18.4"} <= set(page.texts["td"])


def test_page_without_a_table(tmp_path: Path) -> None:
    """A bundle from elsewhere has none, nor has a report of an earlier version; the page leaves it out."""
    made = report(tmp_path)
    assert made["layers"] is None
    older = {name: value for name, value in made.items() if name != "layers"}
    for one in (made, older):
        assert "details" not in Page(make_page(one)).seen


def test_names_of_layers_are_text(tmp_path: Path) -> None:
    """A layer's name is read, not obeyed."""
    rows = [{**LAYERS["rows"][0], "name": HOSTILE}]
    made = make_report(bundle(tmp_path), {"stages": [stage("quantize", layers={**LAYERS, "rows": rows})]}, None)
    assert HOSTILE in Page(make_page(made)).texts["td"]
