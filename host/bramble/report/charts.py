"""The report's pictures as SVG text, drawn by matplotlib: stage bars and the latency histogram.

Fonts stay text, ids are fixed by the content: the same report draws the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bramble.report.units import milliseconds, si

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BERRY, LEAF, GRAY = "#b3174a", "#4d7c3a", "#8a8f98"
METADATA = ("Creator", "Date", "Format", "Type")  # all left out: the page needs neither a date nor an address
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRAY,
    "xtick.color": "#444",
    "ytick.color": "#444",
}


def bars(names: Sequence[str], values: Sequence[float], shown: Sequence[str], colour: str = BERRY) -> str:
    """Horizontal bars from zero, one a name, each labelled with ``shown``."""
    longest = max(values) or 1.0

    def draw(axes: Axes) -> None:
        places = range(len(names))
        axes.barh(list(places), list(values), color=colour, height=0.62)
        axes.set_yticks(list(places), list(names))
        axes.invert_yaxis()
        axes.set_xlim(0, longest * 1.25)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        for place, value, text in zip(places, values, shown, strict=True):
            axes.text(value + longest * 0.015, place, text, va="center")

    return _svg(draw, (5.0, 0.4 + 0.38 * len(names)), f"bars {colour}")


def latency_histogram(samples_ns: Sequence[int], marks_ms: dict[str, float | None]) -> str:
    """How often which latency occurred, with the percentiles marked; the tail beyond 1.5 · p99 is told in words."""
    import numpy as np

    samples = np.asarray(samples_ns) / 1e6
    known = {name: value for name, value in marks_ms.items() if value is not None}
    end = 1.5 * max(known.values()) if known else float(samples.max())
    inside = samples[samples <= end]

    def draw(axes: Axes) -> None:
        axes.hist(inside, bins=80, color=BERRY, alpha=0.85)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.5)  # so that a single sample is a bar one can see
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else "")
        axes.yaxis.set_minor_formatter("")
        axes.set_ylabel("samples (log)")
        axes.xaxis.set_major_formatter(lambda value, _: milliseconds(value))
        for level, (name, value) in enumerate(known.items()):
            axes.axvline(value, color=LEAF, linewidth=1.2)
            text, place = f"{name} {milliseconds(value)}", axes.get_xaxis_transform()
            axes.text(value, 0.98 - 0.1 * level, text, transform=place, backgroundcolor="#ffffffcc", fontsize=9.0)
        if len(inside) < len(samples):
            more = f"{len(samples) - len(inside)} more, up to {si(float(samples.max()) / 1e3, 's')}"
            axes.text(1.0, 1.02, more, transform=axes.transAxes, ha="right", color="#444", fontsize=9.0)

    return _svg(draw, (9.0, 3.0), "latency")


def _svg(draw: Any, size: tuple[float, float], salt: str) -> str:
    """The picture that ``draw`` draws; ``salt`` keeps its ids apart from those of other pictures in a page."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "svg.hashsalt": salt}):
        figure: Figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.add_subplot()
        axes.set_facecolor("none")
        draw(axes)
        held = io.StringIO()
        FigureCanvasSVG(figure).print_svg(held, metadata=dict.fromkeys(METADATA))  # type: ignore[no-untyped-call]
    text = held.getvalue()
    return re.sub(r'<g id="[^"]*">', "<g>", text[text.index("<svg") :])  # the same in every picture of a page
