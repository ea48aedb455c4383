"""Reports as files: written beside each other, whole or not at all; read back with a check of their version."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from bramble.errors import StorageError, UsageError
from bramble.report.facts import REPORT_VERSION
from bramble.report.page import make_page


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
        version = report["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} is not a report: {error}", "give a report.json or its folder") from error
    if version != REPORT_VERSION:
        raise UsageError(f"{file} is a report of version {version}, this Bramble reads {REPORT_VERSION}")
    return report


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
