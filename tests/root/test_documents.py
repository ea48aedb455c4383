"""The written word: generated tables are up to date, links lead somewhere, the lock files name no registry."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "models/README.md"]


def test_tables_are_what_the_results_say() -> None:
    """The generated tables of all documents follow from the committed results."""
    command = [sys.executable, str(ROOT / "benchmarks" / "tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "up to date"
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    """Every relative link and picture of a document exists."""
    text = (ROOT / name).read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    missing = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert missing == []


def test_readme_is_short_enough() -> None:
    """The README keeps to 250 lines."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 250


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_lock_files_pin_by_hash_and_name_no_registry(name: str) -> None:
    """Every requirement is pinned to one version with hashes, and no address stands in a lock file."""
    text = (ROOT / name).read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all(re.match(r"[a-z0-9._-]+==\S+", entry) and "--hash=sha256:" in entry for entry in entries)
    assert len(entries) > 40


def test_developers_lock_holds_the_users_lock() -> None:
    """Who develops runs the very versions that users run."""
    user, developer = ((ROOT / name).read_text() for name in ("requirements.txt", "requirements-dev.txt"))
    pins = re.compile(r"^[a-z0-9._-]+==[^\s;]+", re.MULTILINE)
    assert set(pins.findall(user)) <= set(pins.findall(developer))
