"""What the camera's loop costs and holds: the numbers of its promises, each a ratio or a count of one run.

    python benchmarks/camera.py [--quick] [--only WORD …] [--write]

``BRAMBLE_DATA`` names the folder of real models. ``--quick`` takes fewer frames, to try it out; ``--only`` measures
those of the parts speed, example, age, overload, memory, swaps, preview; ``--write`` keeps the table in
benchmarks/results/camera.json and camera.md, which is to be done on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from camera_loop import Row, age, beside_example, bundled, memory, overload, speed, swaps
from camera_preview import preview

from bramble_agent import runtime
from bramble_agent.wire import Pixels

HERE = Path(__file__).parent
MODELS = Path(os.environ.get("BRAMBLE_DATA", "")) / "models"
PERSON = MODELS / "mlperf-tiny" / "visual_wake_words"
MOBILENET = MODELS / "coral" / "mobilenet_v2_1.0_224_quant.tflite"
SPEED = ("synthetic:?layout=rgb", "synthetic:?size=640x480&layout=jpeg", "synthetic:?size=640x480&layout=yuyv")


def main() -> None:
    """Measure, print, and keep what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parts = measurements(made(Path(folder)), told.quick)
        rows = [row for name, part in parts.items() if not told.only or name in told.only for row in part()]
    table = markdown(rows)
    print(table)
    for row in rows:
        print(f"{row.name}: {json.dumps(row.detail, default=str)}")
    if told.write:
        kept = [{**vars(row), "holds": row.holds} for row in rows]
        found = {"machine": platform.machine(), "python": platform.python_version(), "cores": os.cpu_count()}
        found |= {"quick": told.quick, "load": os.getloadavg(), "rows": kept}
        (HERE / "results" / "camera.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (HERE / "results" / "camera.md").write_text(table + "\n", encoding="utf-8")


def made(folder: Path) -> dict[str, str]:
    """Bundles of real models: the person detector, int8 and float, and MobileNet v2 with its thousand classes."""
    pixels, labels = Pixels(96, 96, "rgb"), ("nobody", "person")
    found = {}
    for kind in ("int8", "float"):
        model = (PERSON / f"vww_96_{kind}.tflite").read_bytes()
        found[kind] = bundled(folder / f"person-{kind}", model, labels, pixels, "probabilities")
    large = MOBILENET.read_bytes()
    classes = runtime.load(large).outputs[0].shape[-1]
    names = tuple(f"class {number}" for number in range(classes))
    found["mobilenet"] = bundled(
        folder / "mobilenet-v2", large, names, Pixels(224, 224, "rgb", -1.0, 1.0), "probabilities"
    )
    return found


def measurements(bundles: dict[str, str], quick: bool) -> dict[str, Callable[[], list[Row]]]:
    """The parts by name."""
    frames, turns, seconds = (400, 3, 5.0) if quick else (4_000, 7, 60.0)
    million, thousand = (50_000, 20) if quick else (1_000_000, 1_000)

    def speeds() -> list[Row]:
        return [row for text in SPEED for row in speed(bundles["int8"], text, frames, turns)]

    def examples() -> list[Row]:
        return [row for name in ("int8", "mobilenet") for row in beside_example(bundles[name], frames // 4, turns)]

    parts: dict[str, Callable[[], Any]] = {
        "speed": speeds,
        "example": examples,
        "age": lambda: [age(bundles["int8"], seconds)],
        "overload": lambda: [overload(bundles["int8"], seconds)],
        "memory": lambda: [memory(bundles["int8"], million)],
        "preview": lambda: preview(bundles["int8"], frames, turns),
        "swaps": lambda: swaps((bundles["int8"], bundles["float"]), thousand, 60),
    }
    return parts


def markdown(rows: list[Row]) -> str:
    """The table."""
    lines = ["| | asked for | measured | |", "|---|--:|--:|---|"]
    for row in rows:
        asked = f"{row.sense} {row.limit:g}"
        lines.append(f"| {row.name} | {asked} | {row.value:.3f} | {'yes' if row.holds else '**no**'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
