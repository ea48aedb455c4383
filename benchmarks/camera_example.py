"""The loop beside picamera2's own example, examples/tensorflow/real_time_with_labels.py, on the same frames.

For every frame the example reads its labels' file, makes an interpreter from the model's file with four threads (a
Raspberry Pi has four cores), takes the grey plane of a 320 × 240 YUV420 frame for RGB, draws it to the model's size
without smoothing, invokes, and lets go of the interpreter, whose threads end. Done here with its calls and in its
order, in favour of it without its camera, preview window, drawing and printing. As many threads on both sides as there
are cores, four at most.

What can be gained is bounded: who did nothing at all but invoke would be ``bound`` times as fast as the example.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from camera_loop import looped
from camera_rows import Row
from numpy.typing import NDArray

from bramble_agent.bundle import Bundle, open_bundle
from bramble_agent.camera.sources.open import source
from bramble_agent.wire_camera import CameraAsk

SIZE = (320, 240)
THREADS = min(4, os.cpu_count() or 1)
TEXT = f"synthetic:?size={SIZE[0]}x{SIZE[1]}&layout=yu12"
STEPS = ("labels", "interpreter", "picture", "invoke", "end")
Resize = Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.uint8]]


def resizer() -> tuple[str, Resize]:
    """Grey to RGB and to the model's size by OpenCV, as the example; where that is missing by Pillow."""
    try:
        import cv2
    except ImportError:
        from PIL import Image

        return "Pillow", lambda grey, size: np.asarray(Image.fromarray(grey).convert("RGB").resize(size, 2))
    return f"OpenCV {cv2.__version__}", lambda grey, size: cv2.resize(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), size)


def read_labels(path: Path) -> dict[int, str]:
    """Lines of "number name", as the example reads them."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        number, name = line.strip().split(maxsplit=1)
        found[int(number)] = name
    return found


def example(model: Path, labels: Path, frames: list[NDArray[np.uint8]], count: int) -> dict[str, float]:
    """Seconds of ``count`` frames in the example's way, by step."""
    from ai_edge_litert.interpreter import Interpreter

    _, resize = resizer()
    took = dict.fromkeys(STEPS, 0.0)
    for number in range(count):
        times = [time.perf_counter()]
        read_labels(labels)
        times.append(time.perf_counter())
        interpreter = Interpreter(model_path=str(model), num_threads=THREADS)
        interpreter.allocate_tensors()
        times.append(time.perf_counter())
        picture = prepared(interpreter, frames[number % len(frames)], resize)
        times.append(time.perf_counter())
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
        interpreter.invoke()
        interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        times.append(time.perf_counter())
        del interpreter
        times.append(time.perf_counter())
        for step, begin, end in zip(STEPS, times, times[1:], strict=False):
            took[step] += end - begin
    return took


def prepared(interpreter: Any, frame: NDArray[np.uint8], resize: Resize) -> NDArray[Any]:
    """The model's input; of int8, which the example does not know, as cheaply as can be."""
    wanted = interpreter.get_input_details()[0]
    height, width = (int(n) for n in wanted["shape"][1:3])
    picture = resize(frame[: SIZE[0] * SIZE[1]].reshape(SIZE[1], SIZE[0]), (width, height))[None]
    if wanted["dtype"] == np.float32:
        return (np.float32(picture) - 127.5) / 127.5
    return (picture ^ np.uint8(128)).view(np.int8) if wanted["dtype"] == np.int8 else picture


def beside_example(bundle: str, frames: int, turns: int) -> list[Row]:
    """The loop's rate beside the example's, in turns.

    Once on the same 320 × 240 YUV420 frames, which the loop smooths down in all their colours; once on frames of the
    model's size, as our picamera2 source asks the camera's image processor for them and the example does not.
    """
    held = open_bundle(Path(bundle))
    raws = pictures(held)
    took: dict[str, list[float]]
    cpu: dict[str, list[float]]
    took, cpu = ({"example": [], "same": [], "own": []} for _ in range(2))
    steps: dict[str, list[float]] = {step: [] for step in STEPS}
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.txt"
        labels.write_text("".join(f"{n} {name}\n" for n, name in enumerate(held.labels)), encoding="utf-8")
        for _ in range(turns):
            begin = time.process_time()
            by_step = example(Path(bundle) / "model.tflite", labels, raws, frames)
            cpu["example"].append((time.process_time() - begin) / frames * 1e3)
            took["example"].append(sum(by_step.values()) / frames * 1e3)
            for step, seconds in by_step.items():
                steps[step].append(seconds / frames * 1e3)
            for kind, text in (("same", f"{TEXT}&frames={frames}"), ("own", f"synthetic:?frames={frames}")):
                begin = time.process_time()
                wall = looped(CameraAsk(bundle, text, tell="nothing", threads=THREADS))[1]
                cpu[kind].append((time.process_time() - begin) / frames * 1e3)
                took[kind].append(wall / (frames - 1) * 1e3)
    how = {"frames": frames, "threads": THREADS, "resized by": resizer()[0]}
    how["CPU ms a frame, start included"] = cpu
    return rows(held.manifest.name, took, steps, how)


def pictures(held: Bundle) -> list[NDArray[np.uint8]]:
    """The frames that the loop will get, as bytes."""
    feed = source(TEXT, held.manifest.pixels)
    feed.open()
    found = [frame.raw.copy() for frame in (feed.read() for _ in range(8)) if frame]
    feed.close()
    return found


def rows(name: str, took: dict[str, list[float]], steps: dict[str, list[float]], how: dict[str, Any]) -> list[Row]:
    """Both rows, of milliseconds a frame by turn."""
    middle = {kind: statistics.median(values) for kind, values in took.items()}
    by_step = {step: statistics.median(values) for step, values in steps.items()}
    detail = how | {
        "ms a frame": took,
        "of the example's, median ms": by_step,
        "of ours on the same frames, conversion, median ms": middle["same"] - middle["own"],
        "bound: a loop that did nothing but invoke / the example": middle["example"] / by_step["invoke"],
    }
    what = f"fps of the loop / of picamera2's example, {name}"
    return [
        Row(f"{what}, the same frames", middle["example"] / middle["same"], "≥", 3.0, detail),
        Row(f"{what}, each on the frames it asks the camera for", middle["example"] / middle["own"], "≥", 3.0, detail),
    ]
