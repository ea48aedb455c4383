"""The report on a terminal: figures, after a build its stages, the budget line by line, the verdict."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bramble.report.audit_lines import audit_lines
from bramble.report.stage_table import render_stages
from bramble.report.units import DASH, budget_name, budget_sign, budget_value, milliseconds, percent, si

MARKS = {"pass": ("✓", "green"), "missed": ("✗", "red"), "undecided": ("?", "yellow")}


def render(report: dict[str, Any]) -> RenderableType:
    """A report as something rich prints."""
    parts: list[RenderableType] = [_title(report), _figures(report)]
    if report["stages"] and not report["board"]:
        parts.append(render_stages(report["stages"]))
    if report["budget"]:
        parts.append(_budget(report))
    parts += [Text(f"! {warn['message']}: {warn['advice']}", style="yellow") for warn in report["warnings"]]
    parts.append(_verdict(report))
    return Group(*parts)


def scheme_of(report: dict[str, Any]) -> str:
    """The quantization scheme, from the recipe, else from the model's input."""
    table = report["recipe_table"]
    return str(table["stage"][-1]["scheme"]) if table else str(report["model"]["tensors"][0]["dtype"])


def has_budget(report: dict[str, Any]) -> bool:
    """Whether a limit was set; the golden answers are compared without one too."""
    return any(line["name"] != "golden_answers" for line in report["budget"])


def _title(report: dict[str, Any]) -> Text:
    board, conditions = report["board"], report["conditions"]
    text = Text.assemble("\n", (report["recipe"], "bold"))
    if board:
        threads = f"{conditions['threads']} thread{'s' if conditions['threads'] > 1 else ''}"
        text.append(f" on {board['name']} ({board['model']}, {board['cpu']}, {conditions['runtime']}, {threads})")
    return text


def _figures(report: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2), show_header=True, header_style="dim")
    table.add_column("")
    table.add_column("float32", justify="right")
    table.add_column(scheme_of(report), justify="right")
    table.add_column("", style="dim")
    accuracy, size = report["accuracy"], report["size"]
    tested = f"{accuracy['tested']:,} test pictures" if accuracy["tested"] else "not scored"
    table.add_row("accuracy", percent(accuracy["float"]), percent(accuracy["shipped"]), tested)
    ratio = f"{size['float_bytes'] / size['model_bytes']:.1f}x smaller, " if size["float_bytes"] else ""
    shipped = f"{ratio}{si(size['shipped_bytes'], 'B')} compressed"
    table.add_row("model", si(size["float_bytes"], "B"), si(size["model_bytes"], "B"), shipped)
    for number, line in enumerate(audit_lines(report.get("audit"))):
        table.add_row("" if number else "audit", "" if number else DASH, "" if number else "passed", line)
    if report["latency"]:
        _measured(table, report)
    return table


def _measured(table: Table, report: dict[str, Any]) -> None:
    latency, memory, energy, verify = (report[name] for name in ("latency", "memory", "energy", "verify"))
    count = f"{len(latency['samples_ns']):,} samples"
    for name in ("p50", "p90", "p95", "p99"):
        table.add_row(f"latency {name}", DASH, milliseconds(latency[f"{name}_ms"]), count if name == "p50" else "")
    loaded = memory["rss_loaded_bytes"] - memory["rss_before_bytes"]
    table.add_row("memory peak", DASH, si(memory["peak_rss_bytes"], "B"), f"{si(loaded, 'B')} of it for the model")
    low, high = energy["interval"]
    bounds = f"{energy['method']}: {si(low, 'J')} to {si(high, 'J')}"
    table.add_row("energy", DASH, si(energy["joules_per_inference"], "J"), bounds)
    off = f"{verify['max_lsb']} LSB off" if verify["max_lsb"] is not None else f"{verify['max_abs']:.2g} off"
    table.add_row("golden answers", DASH, off, f"{verify['checked']} checked, {verify['tolerance']} allowed")


def _budget(report: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2), show_header=True, header_style="dim")
    for name in ("budget", "value", "", "limit", ""):
        table.add_column(name, justify="right" if name == "value" else "left")
    for line in report["budget"]:
        mark, colour = MARKS[line["verdict"]]
        name = line["name"]
        table.add_row(
            Text(f"{mark} {budget_name(name)}", style=colour),
            budget_value(name, line["value"]),
            budget_sign(name),
            budget_value(name, line["limit"]) if name != "golden_answers" else line["reason"],
            Text("" if name == "golden_answers" else line["reason"], style="dim"),
        )
    return table


def _verdict(report: dict[str, Any]) -> Text:
    _, colour = MARKS[report["verdict"]]
    return Text.assemble(
        (f" {report['verdict'].upper()} ", f"bold white on {colour}"), "" if has_budget(report) else " no budget set"
    )
