"""report.html in a real browser: it draws the page as it is meant, and runs nobody's script."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble.report.page import make_page

from .by_hand import report
from .test_page import HOSTILE, hostile

QUIET = (
    "headless no-sandbox disable-gpu no-first-run disable-background-networking disable-component-update disable-sync"
)
GREEN, BERRY = (61, 122, 46), (179, 23, 74)  # of a passed verdict and of the bars, as the page's style says
Browse = Callable[..., str]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """``browse(page, *words)`` runs Chromium on a page of ours, without a network, and gives what it prints."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium here")

    def run(html: str, *words: str) -> str:
        path = tmp_path / "report.html"
        path.write_text(html, encoding="utf-8")
        flags = [f"--{flag}" for flag in QUIET.split()]
        done = subprocess.run(
            [browser, *flags, f"--user-data-dir={tmp_path / 'profile'}", *words, path.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    return run


def test_browser_sees_title_verdict_and_cards(tmp_path: Path, browse: Browse) -> None:
    """After the browser has read the page, title, verdict, cards, pictures and facts are in it."""
    made = report(tmp_path / "bundle")
    dom = browse(make_page(made), "--dump-dom")
    assert "<title>tiny-int8 · Bramble report</title>" in dom
    assert re.search(r'<span class="badge pass">PASS</span>', dom)
    cards = re.findall(r'<div class="card"><b>(.*?)</b>', dom)
    size = f"{made['size']['model_bytes']} B"
    assert [unescape(card) for card in cards] == ["92.50 %", size, "50.0 µs", "52.0 MB", "2.00 mJ"]
    assert dom.count("<svg ") == 3
    (raw,) = re.findall(r'<script type="application/json" id="report">(.*?)</script>', dom, re.DOTALL)
    assert json.loads(raw) == made


def test_browser_runs_no_script_of_a_name(tmp_path: Path, browse: Browse) -> None:
    """Names that are scripts stay text: the browser finds one script element, the facts, and nothing that acts."""
    dom = browse(make_page(hostile(tmp_path / "bundle")), "--dump-dom")
    assert len(re.findall(r"<script\b", dom)) == 1
    assert "<img" not in dom
    (title,) = re.findall(r"<h1>(.*?)</h1>", dom)
    assert unescape(title) == HOSTILE


def test_browser_paints_the_page(tmp_path: Path, browse: Browse) -> None:
    """A picture of the page shows the green of the verdict and the bars' own colour."""
    shot = tmp_path / "page.png"
    browse(
        make_page(report(tmp_path / "bundle")),
        f"--screenshot={shot}",
        "--window-size=1000,1400",
        "--force-color-profile=srgb",
    )
    with Image.open(shot) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    assert pixels.shape == (1400, 1000, 3)
    for colour in (GREEN, BERRY):
        assert (np.abs(pixels - colour).max(axis=2) <= 8).sum() > 200
