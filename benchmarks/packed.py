"""What packed models save and cost: sizes beside deflate, bz2 and xz, and decoding in turns with ``lzma``.

    python benchmarks/packed.py [MODEL.tflite …] [--turns 5] [--write]

Without models: those of benchmarks/results/models, two of them pruned further to 16 shared values, and one of 4 MB made
here (int8 weights of dense layers, normal, its seed fixed, 80 % of them pruned in the second half); all laid out as
today's exporter lays files out, which changes nothing that a runtime computes with. Decoding is timed
in CPU seconds, both coders after each other in every turn; the median and the ratio of medians are told. ``--write``
keeps the table in benchmarks/results/packed.json and packed.md.
"""

from __future__ import annotations

import argparse
import bz2
import itertools
import json
import lzma
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bramble.packing.cut import pieces, values
from bramble.packing.pack import pack
from bramble.quantization.flatbuffer import multiply_out, unpacked
from bramble.quantization.flatbuffer import packed as rewritten
from bramble.tflite import deflated_bytes
from bramble_agent.unpacking.unpack import unpack

HERE = Path(__file__).parent
MODELS = HERE / "results" / "models"
SIDE = 1448  # 2 · 1448² = 4.19 MB


def main() -> None:
    """Measure, print, and keep what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    models = {path.stem: path.read_bytes() for path in told.models or sorted(MODELS.glob("*.tflite"))}
    if not told.models:
        models["lenet300-han, 16 shared values"] = shared(models["lenet300-han"], 0.025, 16)
        models["lenet5-han, 16 shared values"] = shared(models["lenet5-han"], 0.011, 16)
        models["4 MB"] = large(models["lenet300-int8"])
    if not told.models:
        models = {name: relaid(model) for name, model in models.items()}
    rows = [measured(name, model, told.turns) for name, model in models.items()]
    table = markdown(rows)
    print(table)
    if told.write:
        found = {"machine": platform.machine(), "python": platform.python_version(), "rows": rows}
        (HERE / "results" / "packed.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (HERE / "results" / "packed.md").write_text(table + "\n", encoding="utf-8")


def relaid(model: bytes) -> bytes:
    """The model with the exporter's layout, short names and exact scales of biases."""
    held = unpacked(model)
    graph = held.subgraphs[0]
    multiply_out(held, graph)
    for number, tensor in enumerate(graph.tensors):
        tensor.name = str(number)
    return rewritten(held)


def measured(name: str, model: bytes, turns: int) -> dict[str, Any]:
    """Sizes, and seconds to decode."""
    packed, xz = pack(model), lzma.compress(model, preset=9 | lzma.PRESET_EXTREME)
    ours, theirs = [], []
    for _ in range(turns):
        ours.append(seconds(lambda: unpack(packed)))
        theirs.append(seconds(lambda: lzma.decompress(xz)))
    return {
        "model": name,
        "bytes": len(model),
        "deflate": deflated_bytes(model),
        "bz2": len(bz2.compress(model)),
        "xz": len(xz),
        "packed": len(packed),
        "decode_s": ours,
        "xz_decode_s": theirs,
    }


def seconds(work: Callable[[], bytes]) -> float:
    """CPU seconds that work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def shared(model: bytes, density: float, count: int) -> bytes:
    """The model with only its largest weights left, in each layer so many, as ``count`` values shared by the layer.

    A stand-in for a clustered model, not a trained one: each channel's scale becomes that of its largest weight.
    """
    data = bytearray(model)
    for piece in pieces(model):
        if piece.dtype != "|i1" or piece.kind != "buffer" or piece.scales_at < 0:
            continue
        rows = piece.shape[0]
        scales = np.frombuffer(model, "<f4", rows, piece.scales_at).astype(np.float64)
        real = values(model, piece) * scales[:, None]
        kept = density if real.size > 10_000 else 0.3
        limit = np.quantile(np.abs(real), 1 - min(kept, np.count_nonzero(real) / real.size))
        left = np.abs(real) > limit
        edges = np.quantile(real[left], np.linspace(0, 1, count + 1))
        centres = np.array([real[left & (real >= a) & (real <= b)].mean() for a, b in itertools.pairwise(edges)])
        nearest = centres[np.abs(real[..., None] - centres).argmin(-1)] * left
        peak = np.abs(nearest).max(1)
        new = np.where(peak > 0, peak / 127, scales).astype("<f4")
        ints = np.rint(nearest / new[:, None].astype(np.float64)).astype(np.int8)
        data[piece.offset : piece.offset + piece.size] = ints.tobytes()
        factor = bias_factor(model, piece.scales_at, rows)
        data[piece.scales_at : piece.scales_at + 4 * rows] = new.tobytes()
        for at, by in factor:
            data[at : at + 4 * rows] = (new * by).astype("<f4").tobytes()
    return bytes(data)


def bias_factor(model: bytes, scales_at: int, rows: int) -> list[tuple[int, np.float32]]:
    """Where the scales of the bias are, and the scale of the input that they are the product with."""
    found = []
    scales = np.frombuffer(model, "<f4", rows, scales_at)
    for piece in pieces(model):
        if piece.kind == "scales" and piece.size == 4 * rows and piece.offset != scales_at:
            ratio = np.frombuffer(model, "<f4", rows, piece.offset) / scales
            if np.ptp(ratio) < 1e-4 * ratio.mean():
                found.append((piece.offset, np.float32(np.median(ratio))))
    return found


def large(model: bytes) -> bytes:
    """4 MB of int8 in the place of a model's largest buffer: rows of different widths, half of them mostly zeros."""
    draw = np.random.default_rng(0)
    weights = draw.normal(0, draw.uniform(15, 45, (2 * SIDE, 1)), (2 * SIDE, SIDE))
    weights[SIDE:] *= draw.random((SIDE, SIDE)) < 0.2
    content = np.clip(np.rint(weights), -127, 127).astype(np.int8).tobytes()
    return rebuilt(model, content, (2 * SIDE, SIDE))


def rebuilt(model: bytes, content: bytes, shape: tuple[int, int]) -> bytes:
    """A model that is only written, never run: its largest buffer and that one's shape replaced, packed anew."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    held: Any = schema.ModelT.InitFromPackedBuf(model, 0)
    index = max(
        range(len(held.buffers)), key=lambda i: len(held.buffers[i].data) if held.buffers[i].data is not None else 0
    )
    held.buffers[index].data = np.frombuffer(content, np.uint8)
    for tensor in held.subgraphs[0].tensors:
        if tensor.buffer == index:
            tensor.shape = np.array(shape, np.int32)
    builder = flatbuffers.Builder(len(content) + 100_000)
    builder.Finish(held.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table."""
    lines = [
        "| model | bytes | deflate | bz2 | xz -9e | packed | of xz | decode s | xz decode s | ratio |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        ours, theirs = statistics.median(row["decode_s"]), statistics.median(row["xz_decode_s"])
        sizes = " | ".join(f"{row[name]:,}" for name in ("bytes", "deflate", "bz2", "xz", "packed"))
        share = f"{100 * row['packed'] / row['xz']:.0f} %"
        lines.append(f"| {row['model']} | {sizes} | {share} | {ours:.2f} | {theirs:.3f} | {ours / theirs:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
