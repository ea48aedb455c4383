"""The report's pictures: well-formed SVG, bars as long as their values, nothing that depends on the day."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from bramble.report.charts import BERRY, LEAF, bars, latency_histogram

SVG = "{http://www.w3.org/2000/svg}"
MARKS = {"p50": 0.050, "p90": 0.090, "p95": 0.095, "p99": None}


def parse(svg: str) -> ElementTree.Element:
    """The picture as a tree; the test fails where it is no XML."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - drawn by our own code
    assert root.tag == f"{SVG}svg"
    return root


def texts(svg: str) -> list[str]:
    """All texts of a picture."""
    return ["".join(found.itertext()) for found in parse(svg).iter(f"{SVG}text")]


def widths(svg: str, colour: str) -> list[float]:
    """The widths of the filled shapes of a colour, in the order they are drawn."""
    shapes = [path for path in parse(svg).iter(f"{SVG}path") if f"fill: {colour}" in path.get("style", "")]
    found = []
    for shape in shapes:
        across = [float(x) for x in re.findall(r"[ML] ([-\d.]+) [-\d.]+", shape.get("d", ""))]
        found.append(max(across) - min(across))
    return found


def test_bars_are_as_long_as_their_values() -> None:
    """Three bars of 1, 2 and 4 have lengths in that proportion: they begin at zero."""
    one, two, four = widths(bars(["a", "b", "c"], [1.0, 2.0, 4.0], ["1", "2", "4"]), BERRY)
    assert two / one == pytest.approx(2, rel=1e-4)
    assert four / one == pytest.approx(4, rel=1e-4)


def test_bars_have_names_and_labels() -> None:
    """Names and labels are text, so that they can be found and read aloud, in the order given."""
    svg = bars(["float32", "int8"], [40_000, 15_800], ["40.0 kB", "15.8 kB"], LEAF)
    assert texts(svg) == ["float32", "int8", "40.0 kB", "15.8 kB"]
    assert len(widths(svg, LEAF)) == 2


def test_bars_of_nothing() -> None:
    """Where nothing is known, a bar of length zero is drawn without a complaint."""
    svg = bars(["not scored"], [0.0], ["0.00 %"])
    assert texts(svg) == ["not scored", "0.00 %"]
    assert widths(svg, BERRY) == [0.0]


def test_odd_names_are_text() -> None:
    """Markup, ampersands and what looks like a formula stay what they are."""
    names = ["<script>alert(1)</script>", "a & b", r"$\frac{1}{$", "]]>"]
    assert texts(bars(names, [1.0] * 4, ["x"] * 4))[:4] == names


def test_same_report_draws_the_same_bytes() -> None:
    """No date, no random id."""
    assert bars(["a"], [1.0], ["1"]) == bars(["a"], [1.0], ["1"])
    samples = [1000 * n for n in range(1, 101)]
    assert latency_histogram(samples, dict(MARKS)) == latency_histogram(samples, dict(MARKS))


def test_pictures_name_no_address_but_their_name_space() -> None:
    """Nothing in a picture can be fetched."""
    for svg in (bars(["a"], [1.0], ["1"]), latency_histogram([1000] * 100, {"p50": 0.001})):
        assert set(re.findall(r"\w+://[^\"'\s>]+", svg)) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }


def test_pictures_of_a_page_share_no_id() -> None:
    """Only what is referred to has an id, and that is named by its content."""
    for svg in (bars(["a"], [1.0], ["1"]), latency_histogram([1000 * n for n in range(1, 101)], dict(MARKS))):
        ids = set(re.findall(r'\bid="([^"]+)"', svg))
        assert ids == set(re.findall(r"#(\w+)", re.sub(r"(fill|stroke|stop-color|color): #\w+", "", svg)))


def test_histogram_marks_the_percentiles_it_knows() -> None:
    """Each known percentile is named with its value; an unknown one is left out."""
    said = texts(latency_histogram([1000 * n for n in range(1, 101)], dict(MARKS)))
    assert {"p50 50.0 µs", "p90 90.0 µs", "p95 95.0 µs"} <= set(said)
    assert not [text for text in said if "p99" in text]


@pytest.mark.parametrize("count", [1, 500, 20_000])
def test_counts_are_plain_numbers(count: int) -> None:
    """The axis of counts has whole powers of ten, from one, up to what there is; no formula is left unset."""
    said = texts(latency_histogram([2_000_000] * count, {"p50": None}))
    counts = [text for text in said if re.fullmatch(r"[\d,]+", text)]
    powers = ["1", "10", "100", "1,000", "10,000", "100,000"]
    assert counts == powers[: len(counts)]
    assert "1" in counts
    assert int(counts[-1].replace(",", "")) * 10 >= count
    assert not [text for text in said if "$" in text or "\\" in text]


def test_tail_is_told_in_words() -> None:
    """Samples beyond 1.5 times the last percentile are counted, not drawn: two of them, the longest 9 ms."""
    samples = [1000 * n for n in range(1, 101)] + [8_000_000, 9_000_000]
    assert "2 more, up to 9.00 ms" in texts(latency_histogram(samples, dict(MARKS)))


@pytest.mark.parametrize("samples", [[1000], [1000] * 500, [1, 10**9], [0, 0, 0]])
def test_odd_samples_are_drawn(samples: list[int]) -> None:
    """One sample, equal ones, far ones and clocks that stood still make a picture without a warning."""
    assert parse(latency_histogram(samples, {"p50": None})) is not None


def test_equal_samples_with_marks() -> None:
    """Samples that are all alike lie on their percentiles."""
    said = texts(latency_histogram([2_000_000] * 500, {"p50": 2.0, "p99": 2.0}))
    assert {"p50 2.00 ms", "p99 2.00 ms"} <= set(said)
