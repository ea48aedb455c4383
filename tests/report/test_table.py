"""The report on a terminal: the whole text, on wide and narrow ones, and with strange names in it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bramble.report.facts import make_report
from bramble.report.table import render, scheme_of
from bramble_agent.wire import Scores

from .by_hand import AFTER, BITS, ENERGY, VERIFY, bench, bundle, on_board, report

MEASURED = """
tiny-int8 on pi (Raspberry Pi 4 Model B, Cortex-A72, ai-edge-litert 2.1.0, 1 thread)
                    float32         int8
  accuracy          93.33 %      92.50 %    360 test pictures
  model             40.0 kB        {size} B    {ratio}x smaller, {size} B to send
  latency p50             –      50.0 µs    100 samples
  latency p90             –      90.0 µs
  latency p95             –      95.0 µs
  latency p99             –            –
  memory peak             –      52.0 MB    5.00 MB of it for the model
  energy                  –      2.00 mJ    pmic: 1.00 mJ to 3.00 mJ
  golden answers          –    0 LSB off    4 checked, 0 LSB allowed
  budget                value         limit
  ✓ accuracy          92.50 %    ≥    90.00 %
  ✓ size                {size} B    ≤    20.0 kB
  ✓ p95 latency       95.0 µs    ≤    5.00 ms
  ✓ golden answers          0    ≤    within 0 LSB
! the median is only known to 54%: measure longer, on a quiet board
 PASS
"""
BUILT = """
tiny-int8
              float32     int8
  accuracy          –        –    not scored
  model             –    {size} B    {size} B to send
  budget           value         limit
  ? accuracy           –    ≥    90.00 %    not scored
  ✓ size           {size} B    ≤    20.0 kB
  ? p95 latency        –    ≤    5.00 ms    not measured on a board
 UNDECIDED
"""


def text(made: dict[str, Any], width: int = 120, **how: Any) -> str:
    """What a person sees, without the blanks at the ends of lines."""
    out = io.StringIO()
    Console(file=out, width=width, soft_wrap=True, highlight=False, markup=False, emoji=False, **how).print(
        render(made)
    )
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("width", [80, 120])
def test_whole_text_after_a_measurement(tmp_path: Path, width: int) -> None:
    """All figures fit into 80 columns and stay the same in 120."""
    made = report(tmp_path)
    size = made["size"]["model_bytes"]
    assert text(made, width) == MEASURED.format(size=size, ratio=f"{40_000 / size:.1f}")


@pytest.mark.parametrize("width", [80, 120])
def test_whole_text_after_a_build(tmp_path: Path, width: int) -> None:
    """Without a board and without scores, dashes stand for what is unknown, and the budget says why it is undecided."""
    made = make_report(bundle(tmp_path, scores=Scores()), {}, None)
    assert text(made, width) == BUILT.format(size=made["size"]["model_bytes"])


def test_narrow_terminal_loses_no_verdict(tmp_path: Path) -> None:
    """Even on 40 columns the verdict and the warnings can be read."""
    shown = text(report(tmp_path), 40)
    assert "PASS" in shown
    assert "the median is only known to 54%" in shown


def test_missed_budget_is_marked(tmp_path: Path) -> None:
    """A wrong golden answer misses, in words and with a mark, and so does the whole."""
    shown = text(report(tmp_path, on_board(verify=replace(VERIFY, ok=False, max_lsb=3))))
    assert "✗ golden answers" in shown
    assert "3 LSB off" in shown
    assert shown.endswith(" MISSED\n")


def test_float_model_is_off_absolutely(tmp_path: Path) -> None:
    """The golden answers of a float model differ by a number, not by steps."""
    verify = replace(VERIFY, max_lsb=None, max_abs=0.000012, tolerance="0.0003 absolute")
    made = report(tmp_path, on_board(verify=verify), kind="float32")
    assert "1.2e-05 off" in text(made)
    assert scheme_of(made) == "float32"


def test_scheme_comes_from_the_recipe_first(tmp_path: Path) -> None:
    """float16 and dynamic models take floats too; only the recipe knows."""
    made = report(tmp_path, kind="float32")
    recipe = {"stage": [{"do": "train"}, {"do": "quantize", "scheme": "dynamic"}]}
    assert scheme_of({**made, "recipe_table": recipe}) == "dynamic"


def test_threads_are_counted(tmp_path: Path) -> None:
    """Four threads are many."""
    assert ", 4 threads)" in text(report(tmp_path, on_board(bench=bench(threads=4))))


def test_strange_names_are_shown_as_they_are(tmp_path: Path) -> None:
    """What looks like markup in the names of a recipe or a board is neither obeyed nor lost."""
    odd = replace(ENERGY, method="[/x]", detail="[red]")
    made = report(tmp_path, on_board(name="[bold]pi[/bold]", bench=bench(energy=odd)), name="[/red] :smile:")
    shown = text(made, force_terminal=True)
    for name in ("[/red] :smile:", "[bold]pi[/bold]", "[/x]"):
        assert name in shown


def test_throttling_is_told(tmp_path: Path) -> None:
    """A board that was throttled says so below the figures, with advice."""
    shown = text(report(tmp_path, on_board(bench=bench(after=replace(AFTER, throttled_bits=BITS)))))
    assert "! the board was under-voltage, throttled: a better power supply, or cooling\n" in shown
