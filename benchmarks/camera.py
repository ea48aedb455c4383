"""What the camera's loop costs and holds: the numbers of its promises, each a ratio or a count of one run.

    python benchmarks/camera.py [--quick] [--only PART …] [--write]

``BRAMBLE_DATA`` names the folder of real models. ``--quick`` takes fewer frames, to try it out; ``--only`` measures
those of the parts speed, example, age, overload, memory, preview, swaps, kills, outage; ``--write`` keeps the rows in
benchmarks/results/camera.json, in place of those of the same parts. Speed (speed, example, preview, age, overload) is
to be measured on a machine that does nothing else; the others count what is lost, which other work only makes harder.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from camera_example import beside_example
from camera_faults import kills, outage
from camera_loop import age, bundled, memory, overload, speed, swaps
from camera_preview import preview
from camera_rows import Row, conditions, kept, table, write

from bramble_agent import runtime
from bramble_agent.wire import Pixels

MODELS = Path(os.environ.get("BRAMBLE_DATA", "")) / "models"
PERSON = MODELS / "mlperf-tiny" / "visual_wake_words"
MOBILENET = MODELS / "coral" / "mobilenet_v2_1.0_224_quant.tflite"
SPEED = ("synthetic:?layout=rgb", "synthetic:?size=640x480&layout=jpeg", "synthetic:?size=640x480&layout=yuyv")


def main() -> None:
    """Measure, print, and keep what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    if told.quick and told.write:
        parser.error("what is quick is to try it out: it is not written down")
    with tempfile.TemporaryDirectory() as folder:
        parts = measurements(made(Path(folder)), told.quick)
        unknown = sorted(set(told.only) - set(parts))
        if unknown:
            parser.error(f"no part {unknown[0]!r}: {', '.join(parts)}")
        for name in told.only or parts:
            when = conditions()
            rows = kept(name, parts[name](), when)
            print(table(rows), *(f"{row['name']}: {json.dumps(row['detail'], default=str)}" for row in rows), sep="\n")
            if told.write:
                write(rows, list(parts))


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
    killed, minutes = (10, 1 / 3) if quick else (500, 10)

    def speeds() -> list[Row]:
        return [row for text in SPEED for row in speed(bundles["int8"], text, frames, turns)]

    def examples() -> list[Row]:
        return [row for name in ("int8", "mobilenet") for row in beside_example(bundles[name], frames // 20, turns)]

    return {
        "speed": speeds,
        "example": examples,
        "age": lambda: [age(bundles["int8"], seconds)],
        "overload": lambda: [overload(bundles["int8"], seconds)],
        "memory": lambda: [memory(bundles["int8"], million)],
        "preview": lambda: preview(bundles["int8"], frames, turns),
        "swaps": lambda: swaps((bundles["int8"], bundles["float"]), thousand, 60),
        "kills": lambda: kills(bundles["int8"], killed),
        "outage": lambda: outage(bundles["int8"], minutes * 60),
    }


if __name__ == "__main__":
    main()
