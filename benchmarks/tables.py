"""Make the tables of README.md, benchmarks/README.md and models/README.md from the committed results.

    python benchmarks/tables.py            write them
    python benchmarks/tables.py --check    exit 1 where a file is not what the results say

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; everything else in those files is written by hand.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from camera_rows import table as camera_table
from camera_rows import written
from quarter import table as quarter
from rich.console import Console

from bramble.report.table import render
from bramble.report.units import budget_name, budget_sign, budget_value, milliseconds, percent, si
from bramble.report.verdict import wilson

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
FILES = ("README.md", "benchmarks/README.md", "models/README.md")
Report = dict[str, Any]


def main() -> None:
    """Write the tables, or check them."""
    reports = {path.stem: json.loads(path.read_text()) for path in sorted((RESULTS / "local").glob("*.json"))}
    tables = {
        "sample": sample(reports["digits-int8"]),
        "results": results(reports),
        "cards": cards(reports),
        "claims": claims(reports),
        "papers": papers(),
        "arm": arm(),
        "peers": peers(),
        "quarter": quarter(),
        "camera": camera(),
    }
    stale = []
    for name in FILES:
        path = ROOT / name
        before = path.read_text()
        after = fill(before, tables)
        if after != before:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(after)
    print("\n".join(f"{'stale' if '--check' in sys.argv else 'written'}: {name}" for name in stale) or "up to date")
    sys.exit(bool(stale and "--check" in sys.argv))


def arm() -> str:
    """Real int8 models on emulated ARM boards: how far their answers are from this machine's."""
    found = json.loads((RESULTS / "arm_answers.json").read_text())
    rows = [
        f"| {row['board']} | {row['runtime']}, {row['kernels']} | {row['model']} "
        f"| {row['differing']} of {row['values']:,} | {row['max_lsb']} LSB | {row['tolerance']} |"
        for row in sorted(found, key=lambda row: row["board"])
    ]
    return "\n".join(
        [
            "| board | runtime, kernels | model | values that differ | by at most | allowed |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )


def camera() -> str:
    """What the camera's loop costs and holds."""
    return camera_table(written())


def peers() -> str:
    """What other tools make of the same trained nets."""
    found = [
        json.loads(path.read_text()) for path in sorted((ROOT / "benchmarks" / "peers" / "results").glob("*.json"))
    ]
    rows = [
        f"| {one['net']} | {one['tool']} | {one['name']} | {one['epochs']} | {one['accuracy']:.2%} | {one['bytes']:,} "
        f"| {one['gzip_bytes']:,} | {one['shipped_bytes']:,} | {one['seconds'] / 60:.1f} |"
        for one in found
    ]
    head = "| net | tool | method | epochs | accuracy | .tflite B | gzip B | shipped B | minutes |"
    return "\n".join([head, "|---|---|---|---|---|---|---|---|---|", *rows])


def fill(text: str, tables: dict[str, str]) -> str:
    """The text with each marked table replaced."""

    def one(match: re.Match[str]) -> str:
        return f"{match[1]}\n{tables[match[2]]}\n{match[3]}"

    return re.sub(r"(<!-- table (\w+) -->)\n.*?(<!-- end -->)", one, text, flags=re.DOTALL)


def sample(report: Report) -> str:
    """What the terminal shows at the end of a run."""
    out = io.StringIO()
    Console(file=out, width=100, soft_wrap=True, highlight=False).print(render(report))
    shown = "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines())
    return f"```\n{shown}\n```"


def results(reports: dict[str, Report]) -> str:
    """One row a recipe: accuracy, size and latency, before and after."""
    head = "| recipe | accuracy float32 → shipped | file float32 → shipped | latency p50 float32 → shipped | verdict |"
    rows = [head, "|---|---|---|---|---|"]
    for name, report in reports.items():
        accuracy, size, latency = report["accuracy"], report["size"], report["latency"]
        rows.append(
            f"| {name} | {percent(accuracy['float'])} → {percent(accuracy['shipped'])} "
            f"| {size['float_bytes']:,} → {size['model_bytes']:,} B "
            f"| {milliseconds(report['float32_latency']['p50_ms'])} → {milliseconds(latency['p50_ms'])} "
            f"| {report['verdict']} |"
        )
    board = next(iter(reports.values()))
    where = f"{board['board']['cpu']}, {board['conditions']['runtime']}, {board['conditions']['threads']} thread"
    return "\n".join([*rows, "", f"Measured on {where}: this is not a Raspberry Pi."])


def cards(reports: dict[str, Report]) -> str:
    """One card a model."""
    return "\n\n".join(_card(name, report) for name, report in reports.items())


def claims(reports: dict[str, Report]) -> str:
    """One row a claim: what was asked for, what was measured, whether it was reached."""
    rows = ["| claim | asked | measured | verdict |", "|---|---|---|---|"]
    lenet, resnet = reports["lenet5-int8"], reports["resnet8-pretrained"]
    accuracy = lenet["accuracy"]
    gap = abs(accuracy["float"] - accuracy["shipped"]) * 100
    rows.append(
        _claim(
            "LeNet-5 on MNIST, float32", "≥ 99.10 %", _known(accuracy["float"], accuracy), accuracy["float"] >= 0.991
        )
    )
    rows.append(_claim("LeNet-5 on MNIST, int8 beside float32", "≤ 0.1 point", f"{gap:.2f} point", gap <= 0.1 + 1e-9))
    shipped, size = resnet["accuracy"]["shipped"], resnet["size"]["model_bytes"]
    rows.append(
        _claim(
            "ResNet-8 pretrained, int8 on CIFAR-10", "≥ 87.10 %", _known(shipped, resnet["accuracy"]), shipped >= 0.871
        )
    )
    rows.append(_claim("ResNet-8 pretrained, int8 file", "≤ 95,568 B", f"{size:,} B", size <= 95_568))
    return "\n".join(rows)


def papers() -> str:
    """The papers' claims; their script stands by itself, beside the modules that it imports."""
    command = [sys.executable, str(Path(__file__).parent / "papers" / "table.py")]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _known(share: float, accuracy: Report) -> str:
    """A measured accuracy with Wilson's 99 % interval."""
    low, high = wilson(share, accuracy["tested"])
    return f"{percent(share)} (99 %: {low * 100:.2f}–{high * 100:.2f} %)"


def _claim(what: str, asked: str, measured: str, reached: bool) -> str:
    return f"| {what} | {asked} | {measured} | {'reached' if reached else 'missed'} |"


def _card(name: str, report: Report) -> str:
    accuracy, size, latency = report["accuracy"], report["size"], report["latency"]
    table = report["recipe_table"]
    stages = " → ".join(stage["do"] for stage in table["stage"])
    lines = [
        f"## {name}",
        "",
        f"`{table['model']['build'] or table['model']['keras']}` on {table['data']['name']}: {stages} "
        f"({table['stage'][-1]['scheme']}).",
        "",
        "| | float32 | shipped |",
        "|---|---|---|",
        f"| accuracy, {accuracy['tested']:,} pictures | {percent(accuracy['float'])} "
        f"| {percent(accuracy['shipped'])} |",
        f"| file | {size['float_bytes']:,} B | {size['model_bytes']:,} B |",
        f"| latency p50 | {milliseconds(report['float32_latency']['p50_ms'])} | {milliseconds(latency['p50_ms'])} |",
        f"| latency p99 | {milliseconds(report['float32_latency']['p99_ms'])} | {milliseconds(latency['p99_ms'])} |",
        "",
        f"{report['parameters']['total']:,} parameters, {report['macs']:,} multiply-adds, "
        f"{si(size['shipped_bytes'], 'B')} compressed. Budget: {_budget(report)}. Verdict: {report['verdict']}.",
    ]
    return "\n".join(lines)


def _budget(report: Report) -> str:
    lines = [line for line in report["budget"] if line["name"] != "golden_answers"]
    return ", ".join(
        f"{budget_name(line['name'])} {budget_sign(line['name'])} {budget_value(line['name'], line['limit'])}"
        for line in lines
    )


if __name__ == "__main__":
    main()
