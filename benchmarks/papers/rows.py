"""The rows of the papers' table: recipe, what was claimed, what must be reached. Read by run.py and table.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One claim. ``times`` is how many times fewer non-zero parameters, ``error`` the test error in per cent."""

    recipe: str
    paper: str
    claim: str
    times: float
    error: float


ROWS = (
    Row("lenet300-han", "Han 2015, 1506.02626", "12x at 1.59 %", 20.0, 1.59),
    Row("lenet300-all", "DNS 2016, 1608.04493", "56x at 1.99 %", 56.0, 1.59),
    Row("lenet5-han", "Han 2015, 1506.02626", "12x at 0.77 %", 20.0, 0.77),
    Row("lenet5-all", "DNS 2016, 1608.04493", "108x at 0.91 %", 108.0, 0.77),
)
SEEDS = (1, 2, 3)
