"""report.html: sound HTML that needs no network, shows what was measured, and obeys nobody's names."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bramble.report.facts import make_report
from bramble.report.page import make_page
from bramble_agent.wire import Budget, Scores

from .by_hand import AFTER, FACTS, bench, bundle, on_board, report

EMPTY = frozenset({"meta", "br", "link", "img", "input", "hr"})  # HTML elements without an end
LOADS = frozenset({"src", "href", "xlink:href", "data", "action", "poster", "srcset", "formaction", "background"})
SHORT = "</svg><script>"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'"


class Page(HTMLParser):
    """A page taken apart: checks that every element is closed in order, collects ids, scripts and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        self.seen.append(tag)
        held = {name: value or "" for name, value in attrs}
        assert len(held) == len(attrs), f"<{tag}> has an attribute twice"
        self.ids += [held["id"]] if "id" in held else []
        self.addresses += [value for name, value in held.items() if name in LOADS]
        self.handlers += [name for name in held if name.startswith("on")]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of SVG that ends where it begins."""
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close an element: it must be the one that was opened last."""
        assert self.open, f"</{tag}> without a beginning"
        assert self.open.pop() == tag, f"</{tag}> is in the wrong place"

    def handle_data(self, data: str) -> None:
        """Keep a text under its innermost element."""
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def hostile(folder: Path) -> dict[str, Any]:
    """A report in which everybody who may choose a name has chosen a bad one."""
    facts = replace(FACTS, model=HOSTILE, cpu=HOSTILE, system=HOSTILE)
    hot = bench(after=replace(AFTER, temp_c=90.0), runtime=HOSTILE, energy=replace(bench().energy, detail=HOSTILE))
    made = report(
        folder,
        on_board(name=HOSTILE, facts=facts, bench=hot),
        name=HOSTILE,
        labels=(HOSTILE + "\n").encode() * 3,
        provenance={HOSTILE: HOSTILE},
    )
    made["warnings"][0].update(message=HOSTILE, advice=HOSTILE)
    made["stages"] = [{"name": SHORT, "seconds": 1.0, "accuracy": 0.5, "parameters": 1, "nonzero": 1}]
    return made


def made_reports(folder: Path) -> dict[str, dict[str, Any]]:
    """Reports of every shape: measured, only built, of a bundle without scores or budget, with bad names."""
    stages = [{"name": "train", "seconds": 2.5, "accuracy": 0.93, "parameters": 9258, "nonzero": 9000}]
    return {
        "measured": report(folder / "a"),
        "built": make_report(bundle(folder / "b"), {"stages": stages}, None),
        "bare": make_report(bundle(folder / "c", scores=Scores(), budget=Budget()), {}, None),
        "few samples": report(folder / "e", on_board(bench=bench((5000,)))),
        "hostile": hostile(folder / "f"),
    }


KINDS = ("measured", "built", "bare", "few samples", "hostile")


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_sound(tmp_path: Path, kind: str) -> None:
    """Every element is closed in order, every id is there once, and every inner reference leads somewhere."""
    page = Page(make_page(made_reports(tmp_path)[kind]))
    assert page.seen[0] == "html"
    assert len(page.ids) == len(set(page.ids))
    assert {address for address in page.addresses if address.startswith("#")} <= {f"#{one}" for one in page.ids}


@pytest.mark.parametrize("kind", KINDS)
def test_page_needs_no_network(tmp_path: Path, kind: str) -> None:
    """Nothing is loaded: addresses only lead into the page, styles name no file, and no script runs."""
    html = make_page(made_reports(tmp_path)[kind])
    page = Page(html)
    assert [address for address in page.addresses if not address.startswith("#")] == []
    assert page.handlers == []
    assert page.seen.count("script") == 1
    assert not {"link", "iframe", "img", "object", "embed", "base", "form"} & set(page.seen)
    assert re.findall(r"@import|url\((?!#)", html) == []
    assert set(re.findall(r"\w+://[^\"'\s<>]+", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_page_carries_its_facts(tmp_path: Path, kind: str) -> None:
    """The JSON in the page is the report, whatever names are in it."""
    made = made_reports(tmp_path)[kind]
    assert json.loads("".join(Page(make_page(made)).texts["script"])) == made


def test_bad_names_are_shown_as_text(tmp_path: Path) -> None:
    """A name that is HTML is read, not obeyed, wherever it stands."""
    page = Page(make_page(hostile(tmp_path)))
    assert HOSTILE in page.texts["h1"]
    assert any(HOSTILE in text for text in page.texts["b"])
    assert any(HOSTILE in text for text in page.texts["td"])
    assert any(HOSTILE in text for text in page.texts["code"])
    assert f"1. {SHORT} (held-out)" in page.texts["text"]


def test_figures_are_on_the_page(tmp_path: Path) -> None:
    """Verdict, accuracy, latency, memory and energy of the report by hand are the headline."""
    page = Page(make_page(report(tmp_path)))
    headline = set(page.texts["b"])
    assert {"92.50 %", "50.0 µs", "52.0 MB", "2.00 mJ"} <= headline
    assert "PASS" in page.texts["span"]
    assert "Latency of 100 inferences" in page.texts["h2"]
    rows = set(page.texts["td"])
    assert {"Cortex-A72, 4 cores, 64-bit userland", "50.0 → 55.5 °C", "1.80 GHz", "0x0", "p95 latency"} <= rows
