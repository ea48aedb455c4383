"""Measurements of the camera's loop: each a function that gives a row; bare and loop always in turns, in one run."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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

    answer = run(ask, lambda _: None, threading.Event(), OPENERS, replace(inner, prediction=prediction))
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
    detail = {"frames": frames, "loop_s": ours, "bare_s": theirs, "fps of the loop / of the bare": ratio}
    rows = [Row(f"ms that the loop adds to a frame, {text}", added, "≤", 1.0, detail)]
    if "size" in text:  # frames of the model's own size are not decoded at all: 0.1 ms each, invoke included
        rows.append(Row(f"fps of the loop / of bare decode + preprocess + invoke, {text}", ratio, "≥", 0.95, detail))
    return rows


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

    _, took = looped(CameraAsk(bundle, f"synthetic:?frames={frames}", tell="nothing"), Hooks(prediction=prediction))
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
