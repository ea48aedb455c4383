"""Reports as files: written beside each other, whole or not at all; read back with a check of their version."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from bramble.errors import StorageError, UsageError
from bramble.report.facts import KEYS, REPORT_VERSION
from bramble.report.page import make_page
from bramble.report.verdict import Verdict


def write_report(folder: Path, report: dict[str, Any]) -> Path:
    """Write report.json and report.html into ``folder``; returns the page's path. Raises StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "report.json", json.dumps(report, ensure_ascii=False))
        _write(folder / "report.html", make_page(report))
    except OSError as error:
        raise StorageError(f"cannot write the report to {folder}: {error.strerror}", "free some space") from error
    return folder / "report.html"


def read_report(path: Path) -> dict[str, Any]:
    """A report from its .json file, or from the folder it lies in. Raises UsageError."""
    file = path / "report.json" if path.is_dir() else path
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} is not a report: {error}", "give a report.json or its folder") from error
    wrong = _wrong(report)
    if wrong:
        raise UsageError(f"{file} is not a report: {wrong}", "give a report.json or its folder")
    return report


def _wrong(report: Any) -> str:
    """What makes a JSON value no report of ours; empty for a report."""
    if not isinstance(report, dict) or "version" not in report:
        return "it has no version"
    if report["version"] != REPORT_VERSION:
        return f"it is of version {report['version']}, this Bramble reads {REPORT_VERSION}"
    missing = sorted(KEYS - set(report))
    if missing:
        return f"it has no {missing[0]!r}"
    return "" if report["verdict"] in list(Verdict) else f"{report['verdict']!r} is no verdict"


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
