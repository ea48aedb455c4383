"""Measurements of the camera's loop: each a function that gives a row; bare and loop always in turns, in one run."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from camera_rows import Row
from numpy.typing import NDArray

from bramble.bundle import Contents, pack
from bramble_agent.bundle import open_bundle
from bramble_agent.camera import loop as loop_module
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.event import Prediction
from bramble_agent.camera.frame import Frame
from bramble_agent.camera.looker import Hooks
from bramble_agent.camera.loop import run
from bramble_agent.camera.openers import OPENERS
from bramble_agent.camera.predict import Predictor, Seen
from bramble_agent.camera.sources.open import source
from bramble_agent.memory import rss_bytes
from bramble_agent.wire import Budget, Pixels, Scores
from bramble_agent.wire_camera import CameraAnswer, CameraAsk, ControlAsk, SwapHow

EXAMPLE_THREADS = 4


def bundled(folder: Path, model: bytes, labels: tuple[str, ...], how: Pixels, kind: str) -> str:
    """A bundle of a model, with one golden picture."""
    folder.mkdir(parents=True)
    pictures = np.random.default_rng(0).integers(0, 256, (1, how.height, how.width, 3), dtype=np.uint8)
    contents = Contents(folder.name, labels, how, kind, pictures, Budget(), Scores(), {})
    pack(folder, model, contents)
    return str(folder)


def looped(ask: CameraAsk, hooks: Hooks | None = None) -> tuple[CameraAnswer, float]:
    """A loop that ran to its end, and the seconds from its first prediction to its last."""
    times: list[float] = []
    inner = hooks or Hooks()

    def prediction(one: Prediction, frame: Frame) -> None:
        inner.prediction(one, frame)
        if not times:
            times.append(time.perf_counter())

    answer = run(ask, lambda _: None, threading.Event(), OPENERS, Hooks(prediction, inner.event, inner.tick))
    return answer, time.perf_counter() - times[0]


# ---- speed -----------------------------------------------------------------------------------------------------


def bare(bundle: str, text: str, frames: int) -> float:
    """Seconds of converting and predicting the same frames in a plain ``for`` loop, after the first."""
    predictor = Predictor(open_bundle(Path(bundle)))
    feed, convert = source(text, predictor.pixels), Converter(predictor.pixels)
    feed.open()
    held = [feed.read() for _ in range(8)]
    start = 0.0
    for number in range(frames):
        frame = held[number % len(held)]
        assert frame is not None
        predictor(convert.pixels(frame), 5)
        if number == 0:
            start = time.perf_counter()
    took = time.perf_counter() - start
    feed.close()
    return took


def speed(bundle: str, text: str, frames: int, turns: int) -> list[Row]:
    """The loop's rate beside the bare one's, and what it adds to a frame."""
    ours, theirs = [], []
    ask = CameraAsk(bundle, f"{text}&frames={frames}", tell="nothing")
    for _ in range(turns):
        theirs.append(bare(bundle, f"{text}&frames={frames}", frames))
        answer, took = looped(ask)
        assert answer.status.frames == frames
        ours.append(took)
    ratio = statistics.median(theirs) / statistics.median(ours)
    added = (statistics.median(ours) - statistics.median(theirs)) / (frames - 1) * 1e3
    detail = {"frames": frames, "loop_s": ours, "bare_s": theirs}
    rows = [Row(f"ms that the loop adds to a frame, {text}", added, "≤", 1.0, detail)]
    if "size" in text:  # frames of the model's own size are not decoded at all: 0.1 ms each, invoke included
        rows.append(Row(f"fps of the loop / of bare decode + preprocess + invoke, {text}", ratio, "≥", 0.95, detail))
    return rows


# ---- the official example's way --------------------------------------------------------------------------------


def resizer() -> tuple[str, Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.uint8]]]:
    """Grey to RGB and to the model's size as picamera2's example does it: by OpenCV, or by Pillow where that is not."""
    try:
        import cv2
    except ImportError:
        from PIL import Image

        return "Pillow", lambda grey, size: np.asarray(Image.fromarray(grey).convert("RGB").resize(size, 2))
    return "OpenCV", lambda grey, size: cv2.resize(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), size)


def example(model: Path, labels: Path, frames: list[NDArray[np.uint8]], count: int) -> float:
    """Seconds of picamera2's examples/tensorflow/real_time_with_labels.py: labels and interpreter anew for every frame.

    Its frames are 320 × 240 YUV420 of which it takes the grey plane; the threads are four, as there.
    """
    from ai_edge_litert.interpreter import Interpreter

    _, resize = resizer()
    start = time.perf_counter()
    for number in range(count):
        labels.read_text().splitlines()
        interpreter = Interpreter(model_path=str(model), num_threads=EXAMPLE_THREADS)
        interpreter.allocate_tensors()
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        height, width = (int(n) for n in inputs[0]["shape"][1:3])
        grey = frames[number % len(frames)][: 320 * 240].reshape(240, 320)
        picture = resize(grey, (width, height))[None]
        if inputs[0]["dtype"] == np.int8:
            picture = (picture.astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(inputs[0]["index"], picture)
        interpreter.invoke()
        interpreter.get_tensor(outputs[0]["index"])
    return time.perf_counter() - start


def beside_example(bundle: str, frames: int, turns: int) -> list[Row]:
    """The loop's rate beside the example's, with as many threads.

    Once on the same 320 × 240 YUV420 frames, of which the loop takes the colours too; once on frames of the model's
    size, as our picamera2 source asks the camera's image processor for them and the example does not.
    """
    text = "synthetic:?size=320x240&layout=yu12"
    held = open_bundle(Path(bundle))
    feed = source(text, held.manifest.pixels)
    feed.open()
    raws = [frame.raw.copy() for frame in (feed.read() for _ in range(8)) if frame]
    feed.close()
    took: dict[str, list[tuple[float, float]]] = {"example": [], "same": [], "own": []}
    for _ in range(turns):
        cpu = time.process_time()
        wall = example(Path(bundle) / "model.tflite", Path(bundle) / "labels.txt", raws, frames)
        took["example"].append((wall / frames, (time.process_time() - cpu) / frames))
        for kind, one in (("same", f"{text}&frames={frames}"), ("own", f"synthetic:?frames={frames}")):
            cpu = time.process_time()
            wall = looped(CameraAsk(bundle, one, tell="nothing", threads=EXAMPLE_THREADS))[1]
            took[kind].append((wall / (frames - 1), (time.process_time() - cpu) / frames))  # its start included
    middle = {kind: statistics.median(wall for wall, _ in all_) for kind, all_ in took.items()}
    detail = {"frames": frames, "wall and CPU seconds a frame": took, "resized by": resizer()[0]}
    name = f"fps of the loop / of picamera2's example, {held.manifest.name}"
    return [
        Row(f"{name}, the same frames", middle["example"] / middle["same"], "≥", 3.0, detail),
        Row(f"{name}, each on the frames it asks the camera for", middle["example"] / middle["own"], "≥", 3.0, detail),
    ]


# ---- age -------------------------------------------------------------------------------------------------------


@contextmanager
def taking(seconds: float) -> Iterator[None]:
    """Within, every model's prediction takes so long: what it does not need itself it sleeps, as ``invoke`` would."""

    class Slow(Predictor):
        def __call__(self, picture: NDArray[np.uint8], top: int) -> Seen:
            start = time.perf_counter()
            seen = super().__call__(picture, top)
            time.sleep(max(0.0, seconds - (time.perf_counter() - start)))
            return seen

    real = loop_module.Predictor
    loop_module.Predictor = Slow  # type: ignore[misc]
    try:
        yield
    finally:
        loop_module.Predictor = real  # type: ignore[misc]


def ages(bundle: str, model_ms: float, seconds: float) -> tuple[CameraAnswer, list[float]]:
    """Ages of predictions at 30 frames a second, with a model that takes ``model_ms``."""
    found: list[float] = []
    hooks = Hooks(prediction=lambda one, _: found.append(one.age_ms))
    frames = int(seconds * min(30.0, 1e3 / model_ms))
    with taking(model_ms / 1e3):
        answer, _ = looped(CameraAsk(bundle, "synthetic:?fps=30", frames=frames, tell="nothing"), hooks)
    return answer, found


def age(bundle: str, seconds: float) -> Row:
    """How old predictions are at 30 fps with a model of 20 ms, in periods of a frame."""
    answer, found = ages(bundle, 20.0, seconds)
    p95 = sorted(found)[int(0.95 * len(found))]
    detail = {
        "predictions": len(found),
        "p95_ms": p95,
        "captured": answer.status.captured,
        "told": vars(answer.status.ages["inference"]),
    }
    return Row("p95 of the age, in frame periods, at 30 fps with a model of 20 ms", p95 * 30 / 1e3, "≤", 2.0, detail)


def overload(bundle: str, seconds: float) -> Row:
    """How old predictions get at three times more frames than the model can take."""
    answer, found = ages(bundle, 100.0, seconds)
    half = len(found) // 2
    first, last = max(found[1:half]), max(found[half:])
    detail = {"most_in_first_half_ms": first, "most_in_second_half_ms": last, "captured": answer.status.captured}
    bound_ms = 100.0 + 1e3 / 30  # what a frame waits at most, and the model's time
    return Row(
        "most age at 3 × overload, second half / (model's time + a frame period)", last / bound_ms, "≤", 1.2, detail
    )


# ---- for months ------------------------------------------------------------------------------------------------


def memory(bundle: str, frames: int) -> Row:
    """How memory grows over so many frames: a line through readings after the first tenth, in MB a million frames."""
    readings: list[tuple[int, int]] = []

    def prediction(one: Prediction, _: Frame) -> None:
        if one.frame % (frames // 100) == 0:
            readings.append((one.frame, rss_bytes()))

    _, took = looped(CameraAsk(bundle, f"synthetic:?frames={frames}", tell="nothing"), Hooks(prediction))
    kept = readings[10:]
    slope = float(np.polyfit([n for n, _ in kept], [rss for _, rss in kept], 1)[0])
    detail = {"frames": frames, "fps": frames / took, "first_bytes": kept[0][1], "last_bytes": kept[-1][1]}
    return Row("MB that a million frames add to the resident memory", slope, "≤", 1.0, detail)


def swaps(bundles: tuple[str, str], count: int, fps: int) -> list[Row]:
    """Swaps between two releases while a live source runs: frames that the loop missed, and the longest gap."""
    from bramble_agent.camera.control import command

    numbers: list[int] = []
    gaps: list[float] = []
    dropped = failed = 0
    with tempfile.TemporaryDirectory() as root:
        ask = CameraAsk(bundles[0], f"synthetic:?fps={fps}", root=root, tell="nothing")
        stop, done = threading.Event(), []
        hooks = Hooks(prediction=lambda one, _: numbers.append(one.frame))
        thread = threading.Thread(
            target=lambda: done.append(run(ask, lambda _: None, stop, OPENERS, hooks)), daemon=True
        )
        thread.start()
        while len(numbers) < 200:
            time.sleep(0.05)
        for turn in range(count):
            how = SwapHow(bundles[(turn + 1) % 2], compare=4, probation=4, latency_ms=1e3)
            state = command(ControlAsk(root, do="swap", swap=how)).swap
            while state.state not in ("done", "refused", "rolled-back"):
                time.sleep(0.01)
                state = command(ControlAsk(root)).swap
            failed += state.state != "done"
            dropped += state.dropped
            gaps.append(state.longest_gap_ms)
            time.sleep(0.02)
        stop.set()
        thread.join()
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    detail = {"swaps": count, "fps": fps, "not done": failed, "predictions": len(numbers), "missed in all": missing}
    detail |= {"gap_median_ms": statistics.median(gaps), "gap_longest_ms": max(gaps)}
    return [
        Row(f"frames that {count:,} swaps dropped at {fps} fps", dropped, "≤", 0, detail),
        Row(f"swaps of {count:,} that were not done", failed, "≤", 0, detail),
    ]
