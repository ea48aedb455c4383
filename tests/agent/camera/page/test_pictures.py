"""Pictures and streams of them: as they are drawn, when they are made, and as viewers get them."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from bramble_agent.camera.event import Box, Prediction, Sight
from bramble_agent.camera.frame import LAYOUTS, Format, Frame
from bramble_agent.camera.page import draw, routes
from bramble_agent.camera.page import preview as preview_module
from bramble_agent.camera.page.draw import GREY, Painter, colour_of, size_of
from bramble_agent.camera.page.preview import Preview, share
from bramble_agent.camera.sources.synthetic import Plan, Synthetic
from bramble_agent.errors import Busy, FrameDamaged
from bramble_agent.wire_camera import Decide
from looking import until
from paging import Page, page


def told(*sights: Sight) -> Prediction:
    """A prediction of these."""
    return Prediction(0, "r", sights, 1.0, 2.0, 3.0)


def black(width: int = 320, height: int = 240) -> Frame:
    """A frame without any light."""
    return Frame(0, np.zeros(width * height * 3, np.uint8), Format(width, height, "rgb"), 0)


def drawn(frame: Frame, *sights: Sight, how: Decide | None = None) -> Any:
    """The picture's pixels as integers, [height, width, 3]."""
    with Image.open(io.BytesIO(Painter().jpeg(frame, told(*sights), how or Decide()))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def share_of(pixels: Any, colour: str) -> float:
    """The share of the pixels that have about this colour."""
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return float((np.abs(pixels - wanted).max(axis=-1) < 40).mean())


# ---- drawing


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((640, 480), (640, 480)),
        ((96, 96), (480, 480)),
        ((1920, 1080), (640, 360)),
        ((480, 640), (480, 640)),
        ((4000, 3), (640, 1)),
        ((500, 400), (500, 400)),
    ],
)
def test_sizes(shape: tuple[int, int], size: tuple[int, int]) -> None:
    """The longer side within 480 to 640, the shape kept."""
    assert size_of(Format(*shape, "rgb")) == size


@pytest.mark.parametrize("layout", LAYOUTS)
def test_frames_of_any_layout(layout: str) -> None:
    """All that sources give becomes a picture."""
    source = Synthetic(Plan(Format(64, 48, layout), frames=1))
    source.open()
    frame = source.read()
    assert frame is not None
    assert drawn(frame, Sight("cat", 0.9)).shape == (360, 480, 3)


def test_the_best_label_in_its_colour_from_its_threshold_on() -> None:
    """Below on the left; grey where it does not reach the threshold, its own where it has one."""
    cat = Sight("cat", 0.6)
    seen = drawn(black(), cat, Sight("dog", 0.4))
    assert share_of(seen[-30:, :100], colour_of("cat")) > 0.3
    assert share_of(seen[:300], colour_of("cat")) == 0
    assert seen[:300].max() < 30
    grey = drawn(black(), cat, how=Decide(threshold=0.7))
    assert share_of(grey[-30:, :100], GREY) > 0.3
    own = drawn(black(), cat, how=Decide(threshold=0.7, thresholds={"cat": 0.5}))
    assert share_of(own[-30:, :100], colour_of("cat")) > 0.3


def test_boxes_where_the_model_tells_places() -> None:
    """Edges at their shares of the frame, for what reaches its threshold; its label above the corner."""
    box = Box(0.25, 0.25, 0.75, 0.75)
    pixels = drawn(black(), Sight("dog", 0.9, box), Sight("cat", 0.1, Box(0.8, 0.8, 0.9, 0.9)))
    assert share_of(pixels[120:270, 120:123], colour_of("dog")) > 0.8
    assert share_of(pixels[68:88, 122:200], colour_of("dog")) > 0.2
    assert pixels[140:250, 140:340].max() < 40
    assert pixels[280:].max() < 40


@pytest.mark.parametrize("label", ["", "x" * 5000, "日本語", "<b>\n\t\0</b>", "مرحبا", "\ud800", "👩‍👩‍👧"])
def test_labels_of_any_sign(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a label can hold breaks the picture; nor on a board with no font but Pillow's small one."""
    for box in (None, Box(-1.0, 2.0, 0.5, -3.0), Box(float("inf"), 0, float("-inf"), 1)):
        assert drawn(black(), Sight(label, 0.9, box)).shape == (360, 480, 3)
    small = ImageFont.load_default_imagefont()
    monkeypatch.setattr(draw, "_loaded", lambda size: small)
    assert drawn(black(), Sight(label, 0.9)).shape == (360, 480, 3)


def test_a_damaged_frame() -> None:
    """Is told so."""
    with pytest.raises(FrameDamaged):
        Painter().jpeg(Frame(0, np.zeros(10, np.uint8), Format(64, 48, "jpeg"), 0), told(), Decide())


# ---- when pictures are made


@pytest.fixture
def preview() -> Iterator[Preview]:
    """A preview without pauses."""
    made = Preview(Decide, cores=4)
    yield made
    made.stop()


def keep_offering(made: Preview, true: Callable[[], bool], frame: Frame | None = None) -> None:
    """Offer frames until something is true."""
    shown = frame or black()
    until(lambda: made.offer(told(Sight("cat", 0.9)), shown) or true())  # type: ignore[func-returns-value]


def test_nothing_is_encoded_while_nobody_watches(preview: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even copied; nor once the last viewer is gone."""
    monkeypatch.setattr(preview_module, "MOST_FPS", 1000.0)
    for _ in range(100):
        preview.offer(told(), black())
    assert (preview.encoded, preview._thread) == (0, None)
    with preview.watching():
        keep_offering(preview, lambda: preview.encoded >= 2)
    time.sleep(0.05)
    made = preview.encoded
    for _ in range(100):
        preview.offer(told(), black())
    time.sleep(0.05)
    assert preview.encoded == made


def test_one_picture_for_all(preview: Preview) -> None:
    """Two viewers get the very same bytes, encoded once."""
    with preview.watching() as one, preview.watching() as other:
        keep_offering(preview, lambda: preview.encoded == 1)
        assert one(5.0) is other(5.0)
        assert preview.encoded == 1
        assert one(0.0) == b""


def test_slow_viewers_get_the_newest(preview: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was away for some pictures gets the last of them, and never the same twice."""
    monkeypatch.setattr(preview_module, "MOST_FPS", 1000.0)
    with preview.watching() as slow:
        keep_offering(preview, lambda: preview.encoded >= 3)
        assert slow(1.0) == preview._picture
        assert slow(0.0) in (b"", preview._picture)


def test_damaged_frames_are_left_out(preview: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next whole one is shown."""
    monkeypatch.setattr(preview_module, "MOST_FPS", 1000.0)
    damaged = Frame(0, np.zeros(10, np.uint8), Format(64, 48, "jpeg"), 0)
    with preview.watching() as newest:
        for _ in range(20):
            preview.offer(told(), damaged)
            time.sleep(0.002)
        assert preview.encoded == 0
        keep_offering(preview, lambda: preview.encoded == 1)
        assert newest(1.0).startswith(b"\xff\xd8")


def test_so_many_viewers_and_no_more(preview: Preview) -> None:
    """The fifth is told; none comes in after the end, and who waits is sent home."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        for _ in range(4):
            newest = stack.enter_context(preview.watching())
        with pytest.raises(Busy, match="4 watch already"), preview.watching():
            pass
        threading.Timer(0.05, preview.stop).start()
        assert newest(20.0) == b""
    with pytest.raises(Busy), preview.watching():
        pass


def test_share_of_the_processor() -> None:
    """8 % of all cores, at most 30 % of one."""
    assert [share(cores) for cores in (1, 2, 4, 64)] == [0.08, 0.16, 0.3, 0.3]


# ---- through the page


def during(one: Page, work: Callable[[], None]) -> None:
    """Do something in another thread while frames are predicted."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until(lambda: one.predict(2) or not thread.is_alive())  # type: ignore[func-returns-value]


def test_one_picture_through_the_page() -> None:
    """A JPEG, made for who asks."""
    shown: list[Any] = []
    with page() as one:
        during(one, lambda: shown.append(one.get("/preview.jpg")))
    status, body, headers = shown[0]
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(body)).size == (480, 360)


def test_no_picture_without_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for long."""
    monkeypatch.setattr(routes, "PICTURE_S", 0.01)
    with page() as one:
        assert one.get("/preview.jpg")[0] == 503


def stream(one: Page) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A viewer."""
    client = http.client.HTTPConnection("127.0.0.1", one.port, timeout=20)
    client.request("GET", "/preview.mjpeg")
    return client, client.getresponse()


def test_stream_and_too_many_viewers() -> None:
    """Picture after picture; a fifth viewer is told that there are too many, and has room once one is gone."""
    got = []
    with page() as one:
        viewers = [stream(one) for _ in range(4)]
        assert {answer.headers["Content-Type"] for _, answer in viewers} == {
            "multipart/x-mixed-replace; boundary=frame"
        }
        status, body, _ = one.get("/preview.jpg")
        assert (status, b"4 watch already" in body) == (503, True)

        def read() -> None:
            for _, answer in viewers:
                parts = b""
                while parts.count(b"--frame") < 3:
                    parts += answer.read1()
                got.append(parts)

        during(one, read)
        for client, answer in viewers:
            answer.close()
            client.close()
        until(lambda: one.predict(4) or one.get("/preview.mjpeg", "HEAD")[0] == 200)  # type: ignore[func-returns-value]
    assert len(got) == 4
    for parts in got:
        first = parts.split(b"\r\n--frame\r\n")[0]
        head, _, picture = first.partition(b"\r\n\r\n")
        assert head.startswith(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ")
        assert len(picture) == int(head.rpartition(b" ")[2])
        Image.open(io.BytesIO(picture)).load()


def test_viewers_that_are_gone_are_noticed_without_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no picture comes, nothing is sent that could fail."""
    monkeypatch.setattr(routes, "PICTURE_S", 0.02)
    with page() as one:
        for _ in range(4):
            client, answer = stream(one)
            answer.close()
            client.close()
        until(lambda: one.get("/preview.mjpeg", "HEAD")[0] == 200)


def test_pages_end_with_the_loop() -> None:
    """A viewer that waits is sent home."""
    with page() as one:
        client, answer = stream(one)
        port = one.port
    assert answer.read() == b"--frame\r\n"
    client.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
