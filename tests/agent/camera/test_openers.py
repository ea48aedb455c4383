"""Whole loops with the board's own parts: a release of other pictures takes over, from every kind of source."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble_agent.camera.control import command
from bramble_agent.camera.event import Prediction
from bramble_agent.camera.frame import Frame
from bramble_agent.camera.looker import Hooks
from bramble_agent.camera.loop import run
from bramble_agent.camera.openers import OPENERS
from bramble_agent.pixels import open_picture
from bramble_agent.wire import Pixels
from bramble_agent.wire_camera import CameraAsk, ControlAsk, Decide, SwapHow, SwapStatus
from looking import until
from passing import make_passing_bundle

SMALL, LARGE = Pixels(6, 8), Pixels(18, 16, fit="crop")
HOW = {"compare": 4, "agreement": 0.0, "latency_ms": 1e6, "probation": 4}


class Swapped:
    """A loop that goes over from SMALL to LARGE (``fails``: that is taken back), then is stopped."""

    def __init__(self, folder: Path, source: str, agreement: float = 0.0) -> None:
        """``seen`` are the predictions with their frames' formats."""
        self.small, self.large = (
            str(make_passing_bundle(folder / name, how)) for name, how in (("small", SMALL), ("large", LARGE))
        )
        self.seen: list[tuple[Prediction, tuple[int, int, str]]] = []
        top = Decide(top=1000, threshold=1.0)
        ask = CameraAsk(self.small, source, root=str(folder), tell="nothing", decide=top)
        stop = threading.Event()
        thread = threading.Thread(
            target=lambda: run(ask, lambda _: None, stop, OPENERS, Hooks(prediction=self._note)), daemon=True
        )
        thread.start()
        until((folder / "camera" / "camera.sock").exists)
        until(lambda: len(self.seen) > 3)
        how = SwapHow(self.large, **{**HOW, "agreement": agreement})  # type: ignore[arg-type]
        command(ControlAsk(str(folder), do="swap", swap=how))
        ends = ("done", "refused", "rolled-back")
        until(lambda: self._state(folder).state in ends)
        self.status = self._state(folder)
        count = len(self.seen)
        until(lambda: len(self.seen) > count + 12)
        stop.set()
        thread.join(20.0)
        assert not thread.is_alive()

    @staticmethod
    def _state(folder: Path) -> SwapStatus:
        return command(ControlAsk(str(folder))).swap

    def _note(self, told: Prediction, frame: Frame) -> None:
        form = frame.format
        self.seen.append((told, (form.width, form.height, form.layout)))

    def formats(self, release: str) -> list[tuple[int, int, str]]:
        """The formats of frames that a release looked at, in order, each once in a row."""
        found = [form for told, form in self.seen if told.release == release]
        return [form for at, form in enumerate(found) if at == 0 or form != found[at - 1]]

    @property
    def numbers(self) -> list[int]:
        """Of all frames that were looked at."""
        return [told.frame for told, _ in self.seen]


def pictures(folder: Path) -> Path:
    """Photos of noise of 32 × 24 pixels, of three kinds."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for name in ("a.png", "b.jpg", "c.bmp"):
        Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(folder / name)
    return folder


def test_from_a_folder(tmp_path: Path) -> None:
    """Before, while both look, and after: every picture is, to the bit, what an evaluation gives that release."""
    folder = pictures(tmp_path / "p")
    swapped = Swapped(tmp_path, f"folder:{folder}?loop=1")
    assert (swapped.status.state, swapped.status.reshaped, swapped.status.dropped) == ("done", True, 0)
    old, new = swapped.status.before, swapped.status.release
    assert swapped.formats(old) == [(8, 6, "rgb"), (32, 24, "jpeg")]
    assert swapped.formats(new) == [(32, 24, "jpeg"), (16, 18, "rgb")]
    assert swapped.numbers == list(range(len(swapped.numbers)))
    names = sorted(path.name for path in folder.iterdir())
    for release, how in ((old, SMALL), (new, LARGE)):
        expected = [open_picture(folder / name, how).ravel() / 255 for name in names]
        for told, _ in swapped.seen:
            if told.release == release:
                scores = {int(sight.label): sight.score for sight in told.sights}
                wanted = expected[told.frame % 3]
                assert [scores[place] for place in range(min(len(wanted), 100))] == pytest.approx(wanted[:100].tolist())


@pytest.mark.parametrize(
    ("source", "before", "both", "after"),
    [
        ("synthetic:?fps=400", (8, 6, "rgb"), (36, 36, "rgb"), (16, 18, "rgb")),
        ("synthetic:", (8, 6, "rgb"), (36, 36, "rgb"), (16, 18, "rgb")),
        ("synthetic:?fps=400&size=64x48&layout=yuyv", (64, 48, "yuyv"), (64, 48, "yuyv"), (64, 48, "yuyv")),
    ],
)
def test_from_a_camera(
    tmp_path: Path,
    source: str,
    before: tuple[int, int, str],
    both: tuple[int, int, str],
    after: tuple[int, int, str],
) -> None:
    """Asked for frames that serve both, then for the new one's; a size that was given stays, and no frame is lost."""
    swapped = Swapped(tmp_path, source)
    assert (swapped.status.state, swapped.status.reshaped) == ("done", True)
    each = [list(dict.fromkeys(forms)) for forms in ((before, both), (both, after))]
    assert [swapped.formats(swapped.status.before), swapped.formats(swapped.status.release)] == each
    assert swapped.numbers == sorted(set(swapped.numbers))


def test_refused_it_goes_on_as_before(tmp_path: Path) -> None:
    """What the pictures' first values are called differs: refused; the source gives the old one's frames again."""
    swapped = Swapped(tmp_path, "synthetic:?fps=400", agreement=1.0)
    assert (swapped.status.state, swapped.status.switches) == ("refused", 0)
    assert swapped.formats(swapped.status.before) == [(8, 6, "rgb"), (36, 36, "rgb"), (8, 6, "rgb")]


def test_from_a_video(tmp_path: Path, data: Path) -> None:
    """A video's frames are whole: both models take them as they are, and every frame is looked at."""
    swapped = Swapped(tmp_path, f"file:{data}/video/bottle-detection.mp4?loop=1")
    assert (swapped.status.state, swapped.status.reshaped, swapped.status.dropped) == ("done", True, 0)
    assert {form for _, form in swapped.seen} == {(640, 360, "yu12")}
    assert swapped.numbers == list(range(len(swapped.numbers)))
