"""Examine an int8 .tflite beside its float one: what each layer lost, and behind which one predictions turn.

Figures of a layer are of the shipped file itself, run by the interpreter, and of its float twin on the same pictures
(see ``figures``). Two shares of pictures whose largest output stays tell who turns predictions (see ``so_far``):
``agreement``, while everything up to and with that layer is rounded and all behind it is not; ``without``, while
everything but that layer is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bramble.doctor.align import Pair, align, real_values
from bramble.doctor.figures import Figures, bits, histogram, sqnr_db
from bramble.doctor.so_far import rounded_so_far
from bramble.doctor.taps import Taps
from bramble.errors import DataError, UsageError
from bramble.tflite import WEIGHTED, Graph, Tensor, read_graph
from bramble_agent import runtime
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels

FIGURED = 64  # pictures for the figures; agreement takes all


@dataclass(frozen=True)
class Weights:
    """What rounding did to a kernel: its size, SQNR in dB, bits of information in its integers (None: in float)."""

    count: int
    db: float
    bits: float | None
    levels: int | None  # how many different integers


@dataclass(frozen=True)
class Layer:
    """A row of the table. ``range`` is what its integers can hold (None: floats), ``seen`` the float values' ends."""

    name: str
    kind: str
    weights: Weights | None
    db: float
    own_db: float | None
    range: tuple[float, float] | None
    seen: tuple[float, float]
    clipped: float
    bits: float | None
    levels: int | None
    agreement: float
    without: float

    @property
    def dead(self) -> bool:
        """Whether it gives one value alone, for whatever picture."""
        return self.levels == 1


@dataclass(frozen=True)
class Examined:
    """All rows; ``first_flip`` is the first layer behind which a prediction turns, ``worst`` where most do at once."""

    layers: tuple[Layer, ...]
    pictures: int
    agreement: float
    first_flip: str | None
    worst: str | None


def examine(
    integer: bytes, floating: bytes, pictures: NDArray[np.uint8], pixels: Pixels, names: Mapping[int, str]
) -> Examined:
    """Examine ``integer`` beside ``floating`` on ``pictures`` [N, h, w, c].

    ``names`` are those of the layers that ``floating``'s nodes come from, by the nodes' numbers. Raises UsageError
    where the two do not belong together, or a file is none of int8.
    """
    graph, other = read_graph(integer), read_graph(floating)
    demand_int8(graph)
    demand_pictures(pictures)
    pairs = list(align(graph, other))
    figures = _figures(integer, floating, graph, pairs, pictures[:FIGURED], pixels)
    right = top(floating, pictures, pixels)

    def agreement(model: bytes) -> float:
        return float((top(model, pictures, pixels) == right).mean())

    def rounded(some: Sequence[Pair]) -> float:
        return agreement(rounded_so_far(floating, integer, graph, some))

    rows = [
        _layer(name, pair, figure, (graph, other), (rounded(pairs[: n + 1]), rounded(pairs[:n] + pairs[n + 1 :])))
        for n, (name, pair, figure) in enumerate(zip(_names(other, pairs, names), pairs, figures, strict=True))
    ]
    return Examined(tuple(rows), len(pictures), agreement(integer), _first(rows), _worst(rows))


def _figures(
    integer: bytes, floating: bytes, graph: Graph, pairs: Sequence[Pair], pictures: NDArray[np.uint8], pixels: Pixels
) -> list[Figures]:
    found = [Figures(_grid(graph.tensors[pair.tensor])) for pair in pairs]
    mine, theirs = Taps(integer, pixels), Taps(floating, pixels)
    for picture in pictures:
        got = mine.run(picture, [pair.tensor for pair in pairs])
        expected = theirs.run(picture, [pair.twin_tensor for pair in pairs])
        for figure, right, there in zip(found, expected, got, strict=True):
            figure.add(right, there)
    return found


def top(model: bytes, pictures: NDArray[np.uint8], pixels: Pixels) -> NDArray[np.int64]:
    """The class with the largest output for each picture, by the interpreter that boards use."""
    engine = runtime.load(model, 2)
    lookup = table(pixels, engine.inputs[0])
    return np.array([engine.run(to_input(one[None], lookup))[0].argmax() for one in pictures])


def demand_int8(graph: Graph) -> None:
    """Raise UsageError for a graph that is not int8, or takes more than one picture at a time."""
    kinds = {one.dtype for one in graph.weights()}
    if "INT8" not in kinds or graph.tensors[graph.inputs[0]].dtype != "INT8":
        found = ", ".join(sorted(kinds)) or "none"
        raise UsageError(f"--layers is for int8 models; this one's kernels are {found}", "build it with scheme = int8")
    if len(graph.inputs) != 1 or len(graph.tensors[graph.inputs[0]].shape) != 4:
        raise UsageError("--layers knows models of one input of pictures", "this one takes something else")


def demand_pictures(pictures: NDArray[np.uint8]) -> None:
    """Raise DataError for pictures that show nothing: fewer than 2, or all the same."""
    if len(pictures) < 2:
        raise DataError(f"{len(pictures)} pictures are too few to tell a layer by", "give at least 2, better 100")
    if (pictures == pictures[0]).all():
        raise DataError(f"all {len(pictures)} pictures are the same", "give pictures as the model will see them")


def _grid(tensor: Tensor) -> tuple[float, int] | None:
    """Scale and zero point of a tensor of integers; None for one of floats."""
    return (tensor.scales[0], tensor.zero_point) if tensor.scales and "INT" in tensor.dtype else None


def _first(rows: Sequence[Layer]) -> str | None:
    return next((row.name for row in rows if row.agreement < 1.0), None)


def _worst(rows: Sequence[Layer]) -> str | None:
    """The layer behind which agreement falls the most."""
    before = [1.0, *(row.agreement for row in rows)]
    falls = [old - row.agreement for old, row in zip(before, rows, strict=False)]
    return rows[int(np.argmax(falls))].name if falls and max(falls) > 0 else None


def _layer(name: str, pair: Pair, figure: Figures, graphs: tuple[Graph, Graph], shares: tuple[float, float]) -> Layer:
    graph, other = graphs
    weights = None
    if pair.kind in WEIGHTED:
        kernels = [g.tensors[g.nodes[n].inputs[1]] for g, n in ((graph, pair.node), (other, pair.twin))]
        weights = _weights(*kernels) if kernels[0].value is not None else None
    whole = figure.grid is not None
    return Layer(
        name=name,
        kind=pair.kind,
        weights=weights,
        db=figure.db,
        own_db=figure.own_db if whole else None,
        range=figure.ends,
        seen=(figure.low, figure.high),
        clipped=figure.clipped,
        bits=bits(figure.counts) if whole else None,
        levels=int(np.count_nonzero(figure.counts)) if whole else None,
        agreement=shares[0],
        without=shares[1],
    )


def _weights(kernel: Tensor, other: Tensor) -> Weights:
    right, there = real_values(other).ravel(), real_values(kernel).ravel()
    off = there - right
    db = sqnr_db(float(right @ right), float(off @ off))
    if kernel.dtype != "INT8" or kernel.value is None:
        return Weights(right.size, db, None, None)
    counts = histogram(kernel.value)
    return Weights(right.size, db, bits(counts), int(np.count_nonzero(counts)))


def _names(other: Graph, pairs: Sequence[Pair], known: Mapping[int, str]) -> list[str]:
    """A name a pair: the known one, else from the float file, else the operator's; numbered where one comes twice."""
    found: list[str] = []
    for pair in pairs:
        name = known.get(pair.twin) or pair.kind.lower()
        if pair.kind in WEIGHTED and pair.twin not in known:
            said = other.tensors[other.nodes[pair.twin].inputs[1]].name.partition(";")[0].split("/")
            name = said[-2] if len(said) > 1 else name
        count = sum(one == name or one.startswith(f"{name}:") for one in found)
        found.append(f"{name}:{count + 1}" if count else name)
    return found
