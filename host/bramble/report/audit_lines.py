"""The audit that a model passed when it was made (``bramble.audit``), in words."""

from __future__ import annotations

from typing import Any

from bramble.report.units import percent


def audit_lines(audit: dict[str, Any] | None) -> list[str]:
    """Two short lines: answers against float32's, integers and answers against ours. None, or float32 itself: none."""
    if audit is None or audit["scheme"] == "float32":
        return []
    lines = [f"{_lsb(audit['mean_lsb'])} off float32, {percent(audit['agreement'])} same class"]
    if audit.get("kernels") is not None:
        lines.append(f"{audit['kernels']} kernels to the bit, {_lsb(audit['simulation_mean_lsb'])} off ours")
    return lines


def audit_rows(audit: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Name and value of all that it says, for the page."""
    if audit is None or audit["scheme"] == "float32":
        return []
    rows = [
        ("scheme", audit["scheme"]),
        ("held-out pictures", str(audit["samples"])),
        ("same class as float32", percent(audit["agreement"])),
        ("off float32, mean", _off(audit["mean_lsb"], audit["max_lsb"])),
    ]
    if audit.get("kernels") is not None:
        rows += [
            ("kernels, bit for bit", str(audit["kernels"])),
            ("off simulation, mean", _off(audit["simulation_mean_lsb"], audit["simulation_max_lsb"])),
        ]
    return rows


def _lsb(value: float) -> str:
    return f"{value:.2f} LSB"


def _off(mean: float, most: float) -> str:
    return f"{_lsb(mean)}, {most:.1f} at most"
