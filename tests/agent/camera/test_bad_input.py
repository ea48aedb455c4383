"""What a loop is fed that it should not be: bundles that are not for it, broken frames, a clock that jumps."""

from __future__ import annotations

import functools
import io
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bramble_agent.camera import loop as loop_module
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.decide import Decider
from bramble_agent.camera.frame import LAYOUTS, Format, Frame
from bramble_agent.camera.loop import run
from bramble_agent.camera.openers import OPENERS
from bramble_agent.camera.planes import needed_bytes
from bramble_agent.errors import AgentError, BadRequest, BundleDamaged, FrameDamaged
from bramble_agent.wire import Pixels, TensorSpec
from bramble_agent.wire_camera import CameraAsk, Decide
from detector import make_detector_bundle
from looking import Feed, Remembering, frame, openers
from making import INT8_INPUT, make_bundle
from passing import make_passing_bundle, passing

VECTOR, TWO = passing(((1, 16),), ((1, 16),)), passing(((1, 4, 4, 1), (1, 4)), ((1, 16),))
NAMES = "".join(f"{number}\n" for number in range(16)).encode()
QUANT = (1 / 255, 0)


# ---- bundles ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "kind", "said"),
    [
        (lambda folder: make_bundle(folder, task="regression"), BadRequest, "this bundle is for 'regression'"),
        (lambda folder: make_bundle(folder, output_kind="degrees"), BadRequest, "outputs of the kind 'degrees'"),
        (lambda folder: make_bundle(folder, labels=b"one\n"), BundleDamaged, "labels.txt has 1 names for 3 classes"),
        (lambda folder: make_bundle(folder, labels=b""), BundleDamaged, "labels.txt has 0 names for 3 classes"),
        (lambda folder: make_detector_bundle(folder, labels=b""), BadRequest, "labels.txt is empty"),
        (
            lambda folder: make_bundle(
                folder,
                model=VECTOR,
                labels=NAMES,
                inputs=(TensorSpec("in0", (1, 16), "uint8", *QUANT),),
                outputs=(TensorSpec("out0", (1, 16), "uint8", *QUANT),),
            ),
            BadRequest,
            r"the model takes \[1, 16\], the manifest's pictures are \[1, 4, 4, 1\]",
        ),
        (
            lambda folder: make_bundle(
                folder,
                model=TWO,
                labels=NAMES,
                inputs=(INT8_INPUT, INT8_INPUT),
                outputs=(TensorSpec("out0", (1, 16), "uint8", *QUANT),),
            ),
            BadRequest,
            r"the model takes \[1, 4, 4, 1\], \[1, 4\]",
        ),
    ],
)
def test_a_bundle_that_is_not_for_a_camera(
    made: Callable[[Path], Path], kind: type[AgentError], said: str, tmp_path: Path
) -> None:
    """Said at once: no source is opened, no action, and no socket is left."""
    frames, action = Feed([frame(0)]), Remembering()
    ask = CameraAsk(str(made(tmp_path / "b")), "given", root=str(tmp_path), actions=("remember",))
    with pytest.raises(kind, match=said) as caught:
        run(ask, lambda _: None, threading.Event(), openers(frames, action=action))
    assert caught.value.hint
    assert (frames.started, action.opened, (tmp_path / "camera").exists()) == (False, 0, False)


# ---- frames ----------------------------------------------------------------------------------------------------


def jpeg(rng: np.random.Generator) -> bytes:
    """A photo of noise."""
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(file, "JPEG")
    return file.getvalue()


def mangled(whole: bytes, chance: random.Random) -> bytes:
    """With some bytes changed, left out or put in, or the end cut off."""
    data = bytearray(whole)
    for _ in range(1 + chance.randrange(5)):
        place = chance.randrange(len(data) or 1)
        data[place : place + chance.randrange(8)] = chance.randbytes(chance.randrange(8))
    return bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.3 else data)


def test_fuzzed_jpegs() -> None:
    """A thousand broken ones: a picture of the model's size, or a damaged frame, and nothing else."""
    chance = random.Random(3)  # noqa: S311 - repeatable
    whole, converter = jpeg(np.random.default_rng(3)), Converter(Pixels(12, 16))
    ends = {"picture": 0, "damaged": 0}
    for _ in range(1000):
        raw = np.frombuffer(mangled(whole, chance), np.uint8)
        try:
            assert converter.pixels(Frame(0, raw, Format(32, 24, "jpeg"), 0)).shape == (12, 16, 3)
            ends["picture"] += 1
        except FrameDamaged:
            ends["damaged"] += 1
    assert min(ends.values()) > 100


@pytest.mark.parametrize("layout", [one for one in LAYOUTS if one != "jpeg"])
def test_frames_cut_anywhere(layout: str) -> None:
    """Of the model's size or not, grey or not: damaged, at whichever byte a frame ends."""
    for how, size in itertools.product((Pixels(6, 8), Pixels(4, 4, "gray")), ((8, 6), (16, 12))):
        form = Format(*size, layout)
        raw, converter = np.zeros(needed_bytes(form), np.uint8), Converter(how)
        for end in {0, 1, raw.size // 3, raw.size // 2, raw.size - 1}:
            with pytest.raises(FrameDamaged):
                converter.pixels(Frame(0, raw[:end], form, 0))
        assert converter.pixels(Frame(0, raw, form, 0)).shape[:2] == (how.height, how.width)


def test_a_camera_that_gives_nothing_whole_for_a_while(tmp_path: Path) -> None:
    """Damaged frames in between, and frames of another size and layout: the rest is counted."""
    rng = np.random.default_rng(5)
    whole = np.frombuffer(jpeg(rng), np.uint8)
    shown = [
        Frame(0, whole, Format(32, 24, "jpeg"), 0),
        *(Frame(number, whole[: 40 * number], Format(32, 24, "jpeg"), 0) for number in range(1, 8)),
        Frame(8, np.zeros(3 * 16 * 12, np.uint8), Format(16, 12, "bgr"), 0),
        Frame(9, np.zeros(5, np.uint8), Format(16, 12, "bgr"), 0),
        Frame(10, np.zeros(8 * 6 * 3, np.uint8), Format(8, 6, "rgb"), 0),
    ]
    bundle = str(make_passing_bundle(tmp_path / "b", Pixels(6, 8)))
    parts = openers(Feed(shown))
    real = loop_module.Openers(parts.frames, OPENERS.converters, parts.acting)
    lines: list[Any] = []
    answer = run(CameraAsk(bundle, "given"), lines.append, threading.Event(), real)
    assert [line["frame"] for line in lines] == [0, 8, 10]
    assert (answer.ended, answer.status.skipped["damaged"]) == ("end", 8)


# ---- the clock -------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board without a clock of its own begins in 1970, then is told the time; somebody sets it back a day.

    Events tell the clock's time as it is; what they are, their order, ids and ages are as if nothing had been.
    """

    def told(clock: Callable[[], float]) -> list[Any]:
        monkeypatch.setattr(loop_module, "Decider", functools.partial(Decider, clock=clock))
        action = Remembering()
        ask = CameraAsk(bundle, "given", tell="nothing", actions=("remember",), decide=Decide(threshold=0.5))
        answer = run(ask, print, threading.Event(), openers(Feed(frame(n) for n in range(60)), action=action))
        status = answer.status
        assert (status.frames, status.actions[0].done, status.actions[0].dropped) == (60, len(action.events), 0)
        assert 0.0 <= status.ages["inference"].most_ms < 60_000
        assert 0.0 <= status.seconds < 60
        assert [event.id for event in action.events] == [f"{status.run}-{n + 1}" for n in range(len(action.events))]
        assert all(0.0 <= event.age_ms < 60_000 for event in action.events)
        times.append([event.at for event in action.events])
        return [(event.what, event.label, event.score, event.frame) for event in action.events]

    def jumping() -> Iterator[float]:
        yield from (12.0, 13.0, 1.8e9, 1.8e9 + 1)
        yield from (1.8e9 - 86_400.0 + number for number in itertools.count())

    times: list[list[float]] = []
    bundle = str(make_passing_bundle(tmp_path / "b", Pixels(4, 4, "gray")))
    steady, clock = itertools.count(1_000), jumping()
    assert told(lambda: float(next(steady))) == told(lambda: next(clock))
    assert len(times[1]) > 100
    assert times[1][:5] == [12.0, 13.0, 1.8e9, 1.8e9 + 1, 1.8e9 - 86_400.0]
