"""Videos: real and made ones, odd pixel formats, damage, changes in the middle; streams over HTTP and RTSP."""

from __future__ import annotations

import http.server
import io
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.camera.videos import LEVELS, picture, write
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.frame import Frame
from bramble_agent.camera.newest import Newest
from bramble_agent.camera.sources import stream
from bramble_agent.camera.sources.stream import Stream, Video, file_video, network_video
from bramble_agent.errors import BadRequest, CameraLost, CameraMissing, FrameDamaged
from bramble_agent.wire import Pixels

pytest.importorskip("av", reason="PyAV is not installed")
HOW = Pixels(48, 64)


def levels(source: Stream) -> list[int | None]:
    """The grey of every frame, None for damaged ones, until the end."""
    converter, found = Converter(HOW), []
    source.open()
    while True:
        try:
            frame = source.read()
        except FrameDamaged:
            found.append(None)
            continue
        if frame is None:
            source.close()
            return found
        assert frame.number == len(found)
        pixels = converter.pixels(frame)
        assert pixels[24, 5, 1] < 0.6 * pixels[24, 40, 1]  # the left quarter is darker
        found.append(int(pixels[24, 40, 1]))


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "options"),
    [
        ("a.mp4", "libx264", "yuv420p", {}),
        ("b.mkv", "libx264", "yuv444p", {}),
        ("c.mkv", "libx264", "yuv420p10le", {}),
        ("d.avi", "mjpeg", "yuvj420p", {}),
        ("e.ts", "mpeg2video", "yuv420p", {}),
        ("f.mkv", "ffv1", "gray", {"g": "1"}),
        ("g.mkv", "ffv1", "gray16le", {"g": "1"}),
        ("h.mkv", "ffv1", "bgra", {"g": "1"}),
        ("i.mkv", "libx264", "yuv422p", {"bf": "2"}),
        ("j.mkv", "ffv1", "yuv411p", {"g": "1"}),
        ("k.mkv", "ffv1", "gbrp10le", {"g": "1"}),
        ("l.mkv", "ffv1", "yuva444p10le", {"g": "1"}),
        ("m.avi", "rawvideo", "yuyv422", {}),
        ("n.avi", "rawvideo", "uyvy422", {}),
        ("o.mov", "png", "rgb48be", {}),
        ("p.mov", "png", "ya8", {}),
    ],
)
def test_every_frame_whatever_its_pixels(
    name: str, codec: str, pixels: str, options: dict[str, str], tmp_path: Path
) -> None:
    """Limited and full range, 4:4:4 to 4:1:1, 8 to 16 bit, planar RGB, grey, alpha, B-frames: all frames, in order."""
    path = write(tmp_path / name, codec, pixels, **options)
    found = levels(Stream(file_video(str(path))))
    assert len(found) == 20
    assert max(abs(level - (one or 0)) for level, one in zip(LEVELS, found, strict=True)) <= 3


@pytest.mark.parametrize("size", [(62, 46), (63, 45), (66, 50)])
def test_odd_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    """Widths that decoders pad, and odd ones."""
    path = write(tmp_path / "a.mkv", "ffv1", "yuv420p", size, g="1")
    assert levels(Stream(file_video(str(path)))) == pytest.approx(LEVELS, abs=3)


def test_the_real_video(data: Path) -> None:
    """All 1189 frames; of some the pixels, against FFmpeg's own conversion to RGB."""
    import av

    path = str(data / "video" / "bottle-detection.mp4")
    source, converter = Stream(file_video(path)), Converter(Pixels(360, 640))
    source.open()
    with av.open(path) as container:
        for number, expected in enumerate(container.decode(video=0)):
            frame = source.read()
            assert frame is not None
            assert frame.number == number
            if number % 300 == 0:
                wrong = np.abs(converter.pixels(frame).astype(int) - expected.to_ndarray(format="rgb24"))
                assert wrong.mean() < 1.5
    assert number == 1188
    assert source.read() is None
    assert source.read() is None
    source.close()


def test_a_size_that_changes_in_the_middle(tmp_path: Path) -> None:
    """Two videos in one stream: every frame has the format it came in, and is converted by it."""
    first = write(tmp_path / "a.ts", "mpeg2video", "yuv420p", (64, 48))
    second = write(tmp_path / "b.ts", "mpeg2video", "yuv420p", (96, 80))
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    source, converter, sizes = Stream(file_video(str(both))), Converter(HOW), []
    source.open()
    for frame in iter(source.read, None):
        assert converter.pixels(frame).shape == (48, 64, 3)
        sizes.append((frame.format.width, frame.format.height))
    assert set(sizes) == {(64, 48), (96, 80)}
    assert sizes == sorted(sizes)
    assert len(sizes) >= 38


def test_damage_in_the_middle(tmp_path: Path) -> None:
    """Bytes that were changed cost the frames that need them; from the next key frame on all is well."""
    path = write(tmp_path / "a.mp4", "libx264", "yuv420p")
    raw = bytearray(path.read_bytes())
    for at in range(len(raw) // 3, len(raw) // 3 + len(raw) // 10):
        raw[at] ^= 0x5A
    path.write_bytes(raw)
    found = levels(Stream(file_video(str(path))))
    assert len(found) == 20
    assert 0 < found.count(None) < 10
    assert found[-5:] == pytest.approx(LEVELS[-5:], abs=3)


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    """What is there is given; the frame that was cut is damaged; then comes the end."""
    path = write(tmp_path / "a.avi", "mjpeg", "yuvj420p")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    found = levels(Stream(file_video(str(path))))
    assert 5 < len(found) < 12
    assert found[-1] is None
    assert found[:-1] == pytest.approx(LEVELS[: len(found) - 1], abs=3)


def test_round_and_round(tmp_path: Path) -> None:
    """With ``loop`` the file begins anew, and the numbers go on."""
    source = Stream(file_video(str(write(tmp_path / "a.mp4", "libx264", "yuv420p")), loop=True))
    source.open()
    frames = [source.read() for _ in range(45)]
    assert [frame.number for frame in frames if frame] == list(range(45))
    source.close()
    with pytest.raises(CameraLost, match="not open"):
        source.read()


@pytest.mark.parametrize("content", [b"", b"no video " * 400, b"\0" * 5000])
def test_files_that_are_no_videos(content: bytes, tmp_path: Path) -> None:
    """What cannot be read as a video is a mistake, not a camera that may come back."""
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(BadRequest, match=r"a\.mp4"):
        Stream(file_video(str(tmp_path / "a.mp4"))).open()


def test_missing_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, no server, no PyAV: each is missing, and said without the password."""
    with pytest.raises(CameraMissing, match="No such file"):
        Stream(file_video(str(tmp_path / "none.mp4"))).open()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(CameraMissing) as caught:
        Stream(network_video(f"rtsp://me:secret@127.0.0.1:{port}/live?token=secret")).open()
    assert caught.value.message == f"rtsp://127.0.0.1:{port}/live: Connection refused"
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(CameraMissing, match="PyAV") as without:
        Stream(file_video("a.mp4")).open()
    assert "pip install av" in without.value.hint


@pytest.mark.parametrize("group", [1, 5])
def test_a_stream_that_falls_behind(group: int, tmp_path: Path) -> None:
    """A board that takes 0.5 s a frame of a 10 fps stream leaves frames out, and stays near the present."""
    how = {"g": str(group), "sc_threshold": "0", "crf": "1"}
    path = write(tmp_path / "a.mkv", "libx264", "yuv420p", levels=[40 + at for at in range(200)], **how)
    now = [10**12]
    source = Stream(Video(str(path), "camera", live=True), lambda: now[0])
    source.open()
    converter = Converter(HOW)
    numbers: list[int] = []
    pictures: list[int] = []
    ages: list[int] = []

    def look(frame: Frame) -> None:
        pictures.append(int(converter.pixels(frame)[24, 40, 1]) - 40)
        numbers.append(frame.number)
        ages.append(now[0] - frame.taken_ns)
        now[0] += 500_000_000

    assert "camera ended" in lost(source, look)
    begun = pictures[0]  # what came while it was opened is not waited for
    assert [picture - begun for picture in pictures] == pytest.approx(numbers, abs=2)
    assert numbers[:3] == [0, 1, 2]
    skips = [after for before, after in pairwise(numbers) if after != before + 1]
    assert len(skips) > 5
    assert len({after % group for after in skips}) == 1  # key frames
    assert 185 < numbers[-1] + begun < 200
    assert min(ages) >= 0
    assert max(ages) <= 1_500_000_000
    assert len(numbers) < 60


def lost(source: Stream, look: Callable[[Frame], None]) -> str:
    """Look at frames until the stream is lost; why it was."""
    try:
        while True:
            frame = source.read()
            assert frame is not None
            look(frame)
    except CameraLost as error:
        return error.message


def jpeg(level: int) -> bytes:
    """A frame as network cameras send it."""
    file = io.BytesIO()
    Image.fromarray(picture(level, 48, 64)).save(file, "JPEG", quality=90)
    return file.getvalue()


@contextmanager
def network_camera(send: Callable[[Callable[[int], None]], None]) -> Iterator[str]:
    """The address of a server that sends pictures one after the other, as ``send`` says."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()

            def part(level: int) -> None:
                body = jpeg(level)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body + b"\r\n")

            send(part)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/stream"
        server.shutdown()


def test_motion_jpeg_over_http() -> None:
    """An IP camera's stream: frames come as they are sent; where it ends the camera is lost."""

    def send(part: Callable[[int], None]) -> None:
        for level in LEVELS:
            part(level)

    with network_camera(send) as address:
        source, converter, found = Stream(network_video(address)), Converter(HOW), []
        source.open()
        assert source.live
        assert "/stream" in lost(source, lambda frame: found.append(int(converter.pixels(frame)[24, 40, 1])))
        source.close()
    assert found[-15:] == pytest.approx(LEVELS[-15:], abs=3)


def test_a_stream_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends nothing more: lost after the deadline, not a moment that never ends."""
    monkeypatch.setattr(stream, "READ_S", 0.3)
    done = threading.Event()

    def send(part: Callable[[int], None]) -> None:
        for level in LEVELS:
            part(level)
        done.wait(10)

    with network_camera(send) as address:
        source = Stream(network_video(address))
        source.open()
        assert "/stream: " in lost(source, lambda frame: None)
        source.close()
        done.set()


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening has a deadline too."""
    monkeypatch.setattr(stream, "OPEN_S", 0.3)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(CameraMissing):
            Stream(network_video(f"rtsp://127.0.0.1:{server.getsockname()[1]}/live")).open()


class Locked(socketserver.StreamRequestHandler):
    """An RTSP server that lets nobody in."""

    def handle(self) -> None:
        """Answer every request."""
        number = ""
        for line in self.rfile:
            if line.lower().startswith(b"cseq:"):
                number = line.split(b":")[1].strip().decode()
            if line == b"\r\n":
                denied = (
                    f'RTSP/1.0 401 Unauthorized\r\nCSeq: {number}\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n'
                )
                self.wfile.write(denied.encode())


def test_a_wrong_password() -> None:
    """It will not get right by itself: a mistake; and it stands in no message."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Locked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(BadRequest, match="does not take this user") as caught:
            Stream(network_video(f"rtsp://me:secret@127.0.0.1:{server.server_address[1]}/live")).open()
        server.shutdown()
    told = "".join((caught.value.message, caught.value.hint, repr(caught.value.__cause__)))
    assert "secret" not in told


def test_a_file_through_the_capture_thread(tmp_path: Path) -> None:
    """Every frame of a file reaches the loop, however slow that is, with its own pixels."""
    frames = Newest(Stream(file_video(str(write(tmp_path / "a.mp4", "libx264", "yuv420p")))))
    frames.start()
    converter, found = Converter(HOW), []
    while not frames.ended:
        frame: Frame | None = frames.take(5)
        if frame is not None:
            found.append(int(converter.pixels(frame)[24, 40, 1]))
    frames.stop()
    assert found == pytest.approx(LEVELS, abs=3)


def test_a_network_that_gets_slower(tmp_path: Path) -> None:
    """Frames that are late although we wait for each are all given, and are as old as they are late."""
    now = [10**12]
    path = write(tmp_path / "a.mkv", "libx264", "yuv420p", levels=[40] * 40, sc_threshold="0")
    source = Stream(Video(str(path), "camera", live=True), lambda: now[0])
    source.open()

    def delayed(packets: Iterator[Any]) -> Iterator[Any]:
        for at, packet in enumerate(packets):
            now[0] += 100_000_000 + (3_000_000_000 if at == 10 else 0)
            yield packet

    source._packets = delayed(source._packets)
    seen: list[tuple[int, int]] = []
    lost(source, lambda frame: seen.append((frame.number, now[0] - frame.taken_ns)))
    assert [number for number, _ in seen] == list(range(len(seen)))
    assert len(seen) > 25
    assert {round(age / 1e9, 3) for _, age in seen} == {0.0, 3.0}
