"""``report.html``: one page that needs no network, made from the facts of ``report.json`` and nothing else."""

from __future__ import annotations

import json
from typing import Any

import jinja2
from markupsafe import Markup

from bramble.report import charts, layer_table, stage_table, units
from bramble.report.audit_lines import audit_rows
from bramble.report.table import has_budget, scheme_of


def make_page(report: dict[str, Any]) -> str:
    """The report as HTML; the raw facts are embedded as JSON in ``<script id="report">``."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bramble.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update({name: getattr(units, name) for name in FUNCTIONS})
    layers = report.get("layers")
    raw = json.dumps(report, ensure_ascii=False).replace("<", "\\u003c")
    return environment.get_template("page.html.j2").render(
        report=report,
        has_budget=has_budget(report),
        scheme=scheme_of(report),
        raw=Markup(raw),  # noqa: S704 - JSON with its "<" escaped
        pictures=_pictures(report),
        facts=_board_facts(report),
        audit_rows=audit_rows(report.get("audit")),
        stage_titles=stage_table.TITLES,
        stage_rows=stage_table.stage_rows(report["stages"]),
        stage_note=stage_table.NOTE,
        layer_titles=layer_table.TITLES,
        layer_cells=layer_table.layer_cells(layers) if layers else [],
        layer_note=layer_table.note(layers) if layers else "",
    )


FUNCTIONS = ("si", "milliseconds", "percent", "budget_name", "budget_sign", "budget_value")


def _pictures(report: dict[str, Any]) -> dict[str, Markup]:
    drawn = {"accuracy": _accuracy_bars(report), "size": _size_bars(report)}
    latency = report["latency"]
    if latency:
        marks = {name: latency[f"{name}_ms"] for name in ("p50", "p90", "p95", "p99")}
        drawn["latency"] = charts.latency_histogram(latency["samples_ns"], marks)
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704 - matplotlib escapes what it draws


def _accuracy_bars(report: dict[str, Any]) -> str:
    rows = [(f"{i}. {stage['name']} (held-out)", stage["accuracy"]) for i, stage in enumerate(report["stages"], 1)]
    accuracy = report["accuracy"]
    rows += [("float32 (test)", accuracy["float"]), (f"{scheme_of(report)} (test)", accuracy["shipped"])]
    rows = [row for row in rows if row[1] is not None] or [("not scored", 0.0)]
    names, values = zip(*rows, strict=True)
    return charts.bars(names, values, [units.percent(value) for value in values])


def _size_bars(report: dict[str, Any]) -> str:
    size = report["size"]
    rows = [
        ("float32 file", size["float_bytes"]),
        (f"{scheme_of(report)} file", size["model_bytes"]),
        ("compressed", size["shipped_bytes"]),
    ]
    names, values = zip(*(row for row in rows if row[1]), strict=True)
    return charts.bars(names, values, [units.si(value, "B") for value in values], charts.LEAF)


def _board_facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The conditions, as rows of name and value; what the board does not say is left out."""
    board, conditions = report["board"], report["conditions"]
    if not board:
        return []
    before, after = conditions["before"], conditions["after"]
    ends = f"{before['temp_c']} → {after['temp_c']} °C" if before["temp_c"] is not None else None
    khz = before["freq_khz"]
    rows = [
        ("board", f"{board['name']}: {board['model']}"),
        ("CPU", f"{board['cpu']}, {board['cores']} cores, {board['userland_bits']}-bit userland"),
        ("memory", units.si(board["memory_bytes"], "B")),
        ("system", f"{board['system']}, kernel {board['kernel']}, {board['libc']}"),
        ("runtime", f"{conditions['runtime']}, {conditions['kernels']} kernels, {conditions['threads']} thread(s)"),
        ("Python", board["python"]),
        ("governor", before["governor"]),
        ("frequency", units.si(khz * 1e3, "Hz") if khz else None),
        ("temperature", ends),
        ("throttle bits", None if after["throttled_bits"] is None else f"{after['throttled_bits']:#x}"),
        ("load before", before["load1"]),
        ("energy", f"{report['energy']['method']}: {report['energy']['detail']}"),
    ]
    return [(name, str(value)) for name, value in rows if value is not None]
