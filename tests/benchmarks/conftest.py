"""The scripts of the papers' table, and a folder for results made by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from table_lines import Write

PAPERS = Path(__file__).parents[2] / "benchmarks" / "papers"
NAMES = ("experiments", "stats", "lines", "energy", "few_values", "claims", "table", "latency", "run")


@pytest.fixture(scope="module")
def papers() -> Iterator[SimpleNamespace]:
    """The scripts, which import each other as top-level modules."""
    sys.path.insert(0, str(PAPERS))
    try:
        yield SimpleNamespace(**{name: __import__(name) for name in NAMES})
    finally:
        sys.path.remove(str(PAPERS))
        for name in NAMES:
            sys.modules.pop(name, None)


@pytest.fixture
def results(papers: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of results and of kept files, where all scripts look."""
    for module in (papers.stats, papers.claims):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
        monkeypatch.setattr(module, "MODELS", tmp_path)
    return tmp_path


@pytest.fixture
def write(papers: SimpleNamespace, results: Path) -> Write:
    """Writes one result a seed: the wrong answers of 10,000, by seed, and other facts."""

    def written(experiment: str, wrong: dict[int, int] | list[int], **facts: Any) -> None:
        by_seed = wrong if isinstance(wrong, dict) else dict(enumerate(wrong, 1))
        for seed, count in by_seed.items():
            run = {"seed": seed, "wrong": count, "tested": 10_000, **facts}
            (results / f"{experiment}-seed{seed}.json").write_text(json.dumps(run))

    return written


@pytest.fixture(scope="module")
def camera() -> Iterator[SimpleNamespace]:
    """The pure parts of the camera's measurements."""
    folder = str(PAPERS.parent)
    names = ("camera_rows", "camera_ids", "camera_service", "camera_faults", "camera_loop", "camera_example")
    sys.path.insert(0, folder)
    try:
        yield SimpleNamespace(**{name.removeprefix("camera_"): __import__(name) for name in names})
    finally:
        sys.path.remove(folder)
        for name in names:
            sys.modules.pop(name, None)
