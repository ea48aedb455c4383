"""The papers' figures from committed results and shipped files: ``python benchmarks/papers/figures.py``.

fig4  which pixels the pruned first layer of LeNet-300-100 still reads (Han 2015, Fig. 4)
fig5  error against the share of weights kept, by penalty and retraining (Fig. 5)
fig6  accuracy when one layer alone is pruned, without retraining (Fig. 6)
fig7  weights of the first layer before and after pruning and retraining (Fig. 7)
codebooks  error against bytes: shared values (Han 2016) and product quantization (Gong 2014)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from experiments import DENSITIES
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from stats import RESULTS, error, errors, runs_of

from bramble.tflite import read_graph

MODELS = Path(__file__).parent.parent / "results" / "models"
FIGURES = RESULTS / "figures"
CURVES = {
    "fig5-l1-only": ("L1, no retraining", ":", "#b3174a"),
    "fig5-l2-only": ("L2, no retraining", ":", "#2f5d8a"),
    "fig5-l1-retrained": ("L1, retrained", "--", "#b3174a"),
    "fig5-l2-retrained": ("L2, retrained", "--", "#2f5d8a"),
    "fig5-l2-iterative": ("L2, pruned and retrained step by step", "-", "#4d7c3a"),
}
CODEBOOKS = {
    "shared values": ("#b3174a", 6, {f"codebook-cluster-{count}": f"{count} values" for count in (32, 16, 8, 4)}),
    "product quantization": (
        "#2f5d8a",
        -13,
        {f"codebook-vector-{kind}": kind.replace("x", " weights, ") for kind in ("2x64", "2x16", "4x32", "4x16")},
    ),
}
STYLE: dict[Any, Any] = {"font.size": 10.0, "axes.spines.top": False, "axes.spines.right": False}


def main() -> None:
    """Draw what the results allow, and say what is missing."""
    FIGURES.mkdir(exist_ok=True)
    figures: dict[str, tuple[Callable[[Axes], None], tuple[float, float]]] = {
        "fig4": (kept_pixels, (5.2, 4.4)),
        "fig5": (retraining, (7.0, 4.4)),
        "fig6": (sensitivity, (7.0, 4.4)),
        "fig7": (histograms, (7.0, 4.0)),
        "codebooks": (codebooks, (7.0, 4.4)),
    }
    for name, (draw, size) in figures.items():
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=size, layout="constrained")
            try:
                draw(figure.add_subplot())
            except FileNotFoundError as error:
                print(f"{name}: {error}")
                continue
            figure.savefig(FIGURES / f"{name}.png", dpi=110, metadata={"Software": None})
            print(f"{name}.png")


def kept_pixels(axes: Axes) -> None:
    """How many weights of each input pixel are left."""
    kernel = first_layer("lenet300-han")
    shown = axes.imshow((kernel != 0).sum(0).reshape(28, 28), cmap="magma")
    axes.figure.colorbar(shown, ax=axes, label=f"weights left of {len(kernel)}")  # type: ignore[union-attr]
    axes.set_title("LeNet-300-100, what its first layer reads")
    axes.axis("off")


def retraining(axes: Axes) -> None:
    """Five curves with the range over seeds."""
    for name, (label, line, colour) in CURVES.items():
        rows = [errors(f"{name}-{density:g}") for density in DENSITIES]
        if not all(rows):
            raise FileNotFoundError(f"no results of {name}")
        means = [float(np.mean(row)) for row in rows]
        axes.plot(DENSITIES, means, line, color=colour, marker="o", markersize=3.5, label=label)
        axes.fill_between(DENSITIES, [min(row) for row in rows], [max(row) for row in rows], color=colour, alpha=0.12)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(DENSITIES, [f"{density:.0%}" for density in DENSITIES])
    axes.set_xticks([], minor=True)
    axes.invert_xaxis()
    axes.set_yticks((1.5, 2, 3, 5, 10, 20, 50), [f"{level:g} %" for level in (1.5, 2, 3, 5, 10, 20, 50)])
    axes.set_yticks([], minor=True)
    axes.set_xlabel("weights kept")
    axes.set_ylabel("test error")
    axes.legend(frameon=False)
    axes.set_title("LeNet-300-100: mean and range of three seeds")


def sensitivity(axes: Axes) -> None:
    """One curve a layer of LeNet-5."""
    known = json.loads((RESULTS / "sensitivity-lenet5.json").read_text())
    for layer, points in known["layers"].items():
        axes.plot(
            [p["density"] for p in points], [100 * p["accuracy"] for p in points], marker="o", ms=3.5, label=layer
        )
    axes.invert_xaxis()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("weights kept in this layer alone")
    axes.set_ylabel("accuracy, % (no retraining)")
    axes.legend(frameon=False)
    axes.set_title(f"LeNet-5 on {known['pictures']:,} training pictures")


def histograms(axes: Axes) -> None:
    """Weights of the first layer, dense and pruned."""
    for name, label, colour in (
        ("lenet300-int8", "dense", "#8a8f98"),
        ("lenet300-han", "pruned, retrained", "#b3174a"),
    ):
        values = first_layer(name).ravel()
        axes.hist(values[values != 0], bins=np.linspace(-0.4, 0.4, 161), color=colour, alpha=0.75, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("weight (zeros left out)")
    axes.set_ylabel("weights (log)")
    axes.legend(frameon=False)
    axes.set_title("LeNet-300-100, first layer: what is left is away from zero")


def codebooks(axes: Axes) -> None:
    """Means with the range over seeds; the dense net as a line."""
    for label, (colour, above, names) in CODEBOOKS.items():
        rows = [runs_of(name) for name in names]
        if not all(rows):
            raise FileNotFoundError(f"no results of {label}")
        kilobytes = [float(np.mean([run["compressed_bytes"] for run in row.values()])) / 1000 for row in rows]
        wrong = [[error(run) for run in row.values()] for row in rows]
        means = [float(np.mean(row)) for row in wrong]
        reach = [
            [mean - min(row) for mean, row in zip(means, wrong, strict=True)],
            [max(row) - mean for mean, row in zip(means, wrong, strict=True)],
        ]
        axes.errorbar(kilobytes, means, reach, color=colour, fmt="o", ms=4, capsize=3, lw=1.2, label=label)
        for place, word in zip(zip(kilobytes, means, strict=True), names.values(), strict=True):
            axes.annotate(word, place, (6, above), textcoords="offset points", fontsize=8, color=colour)
    dense = runs_of("codebook-none")
    level = float(np.mean([error(run) for run in dense.values()]))
    size = float(np.mean([run["compressed_bytes"] for run in dense.values()])) / 1000
    axes.axhline(level, color="#8a8f98", ls=":", label=f"the same nets in float32, {size:,.0f} kB")
    axes.set_xlabel("kB that ship (the packed file)")
    axes.set_ylabel("test error, %")
    axes.legend(frameon=False)
    axes.set_title("LeNet-300-100, fine-tuned: mean and range of three seeds")


def first_layer(name: str) -> NDArray[np.float64]:
    """The real values of the first kernel [units, inputs] of a kept int8 file."""
    kernel = read_graph((MODELS / f"{name}.tflite").read_bytes()).weights()[0]
    return np.asarray(kernel.value, dtype=np.float64) * np.asarray(kernel.scales)[:, None]


if __name__ == "__main__":
    main()
