"""The loop at a camera of the kernel's that fails in every way its driver can: it lets go, says why, and goes on."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble.fleet.inventory import save_board
from running import bramble

from .guest import HDMI, VIDEO, Guest
from .looping import Loop, looping

pytestmark = pytest.mark.slow
SOURCE = f"v4l2:{VIDEO}?fps=10"
BLACK, WHITE = ("test_pattern=5", "osd_text_mode=2"), ("test_pattern=6", "osd_text_mode=2")
FAULTS = (  # at the end what made it lost; before it what fails while it is set up again
    ("disconnect",),
    ("inject_fatal_streaming_error",),
    ("inject_vidioc_streamon_error", "inject_fatal_streaming_error"),
    ("inject_vidioc_reqbufs_error", "inject_fatal_streaming_error"),
    ("inject_vidioc_qbuf_error", "inject_fatal_streaming_error"),
)
SIGNAL = "v4l2-ctl --set-dv-bt-timings index={} | grep -q 'timings set'"
OF_VGA, OF_PAL = 0, 2  # 640x480 and 720x576, of `v4l2-ctl --list-dv-timings`
HOLDS = "v4l2-ctl --stream-mmap=3 --stream-count=100000 > /dev/null 2>&1"


def drop(loop: Loop, cause: str) -> int:
    """How many were dropped for a cause so far."""
    return loop.status().captured[cause]


def lost(loop: Loop, count: int) -> bool:
    """Whether it was lost so often."""
    return drop(loop, "lost") == count


def test_what_is_seen(guest: Guest) -> None:
    """The model's answer is that of the picture before the camera, and changes with it."""
    guest.plug_in()
    guest.control(*BLACK)
    with looping(guest, SOURCE) as loop:
        assert {(line["label"], line["score"]) for line in loop.more()} == {("left", 0.333333)}
        guest.control(*WHITE)
        loop.wait(lambda: loop.last()["label"] == "même", "the white picture is not seen")
        assert loop.last()["score"] > 0.99
    assert loop.answer is not None
    assert loop.answer.ended == "stop"
    ages = loop.answer.status.ages["inference"]
    assert ages.count == loop.answer.status.frames


def test_unplugged(guest: Guest) -> None:
    """Pulled out in the middle, the camera is let go of and missed; plugged in again, it is taken up again."""
    guest.plug_in()
    with looping(guest, SOURCE) as loop:
        guest.pull_out()
        status = loop.in_trouble(f"there is no camera {VIDEO}")
        assert status.captured["lost"] == 1
        guest.unplug()  # the driver can only be removed where nobody holds the camera
        guest.plug_in()
        last = loop.last()["frame"]
        assert all(line["frame"] > last for line in loop.more())
        again = loop.status()
        assert (again.trouble, again.captured["lost"]) == ("", 1)
        assert again.captured["frames"] > status.captured["frames"]


def test_one_fault_after_the_other(guest: Guest) -> None:
    """A driver that answers ENODEV or EIO, and then does not start, is let go of and tried until it does."""
    guest.plug_in()
    guest.trace()
    with looping(guest, SOURCE) as loop:
        for count, faults in enumerate(FAULTS, 1):
            last = loop.last()["frame"]
            guest.control(*(f"{fault}=1" for fault in faults))
            loop.wait(functools.partial(lost, loop, count), f"{faults}: the loss is not counted")
            assert all(line["frame"] > last for line in loop.more()), faults
        status = loop.status()
    assert (status.trouble, status.captured["lost"], status.captured["hung"]) == ("", len(FAULTS), 0)
    refused = guest.as_root("dmesg | grep -o 'VIDIOC_[A-Z]*: error -[0-9]*'").split("\n")
    for request in ("STREAMON", "REQBUFS", "QBUF"):  # the first try to come again
        assert any(line.startswith(f"VIDIOC_{request}: error") for line in refused), (request, refused)


def test_drops_by_cause(guest: Guest) -> None:
    """What the driver drops is "missed", what it marks is "damaged": each frame it took is counted under one cause."""
    guest.plug_in()
    with looping(guest, SOURCE) as loop:
        guest.control("inject_v4l2_buf_flag_error=1")
        loop.wait(lambda: drop(loop, "damaged"), "the damaged frame is not counted")
        guest.control("percentage_of_dropped_buffers=30")
        loop.wait(lambda: drop(loop, "missed") >= 5, "dropped frames are not counted")
        guest.control("percentage_of_dropped_buffers=0")
    assert loop.answer is not None
    counts = loop.answer.status.captured
    assert (counts["damaged"], counts["lost"], counts["hung"]) == (1, 0, 0)
    last = loop.last()["frame"]
    assert 0 <= counts["frames"] + counts["missed"] + counts["damaged"] - (last + 1) <= 2  # taken, not looked at yet
    assert counts["frames"] - counts["late"] - loop.answer.status.frames in (0, 1)


def test_another_resolution(guest: Guest) -> None:
    """The signal of an HDMI grabber changes its size in the middle: the loop goes on with the new one."""
    guest.plug_in(HDMI)
    guest.control(*(f"enable_capture_{what}=0" for what in ("scaler", "cropping", "composing")), *BLACK)
    guest.run(f"rm -rf seen; {SIGNAL.format(OF_PAL)}")
    with looping(guest, f"v4l2:{VIDEO}?format=YUYV", actions=("snapshot:seen?plain=1",), fps=4.0) as loop:
        guest.control(*WHITE)
        loop.wait(lambda: guest.run("ls seen"), "no picture of white is taken")
        guest.control(*BLACK)
        loop.wait(lambda: loop.last()["label"] == "left", "black is not seen")
        fails = "v4l2-ctl -c inject_fatal_streaming_error=1"
        guest.run(f"until {SIGNAL.format(OF_VGA)}; do {fails}; done")
        first = len(guest.run("ls seen").split())
        guest.control(*WHITE)
        loop.wait(lambda: len(guest.run("ls seen").split()) > first, "no other picture of white is taken")
        assert loop.status().trouble == ""
    pictures = [picture(guest, name) for name in guest.run("ls seen").split()]
    assert {size for size, _ in pictures[:first]} == {(720, 576)}
    assert {size for size, _ in pictures[first:]} == {(640, 480)}
    assert [light for _, light in (pictures[0], pictures[-1])] == pytest.approx([255, 255], abs=2)


def picture(guest: Guest, name: str) -> tuple[tuple[int, int], float]:
    """Size and mean light of a snapshot."""
    with Image.open(io.BytesIO(guest.connection.run(["cat", f"seen/{name}"], b"", 60).stdout)) as opened:
        return opened.size, float(np.asarray(opened).mean())


def test_busy(guest: Guest, tmp_path: Path, home: Path) -> None:
    """Who streams from the camera already is named, with its process."""
    home.mkdir(parents=True)
    save_board(guest.board)
    guest.plug_in()
    holder = guest.run(f"{HOLDS} & echo $!").strip()
    guest.run("until v4l2-ctl -v width=320,height=180 2>&1 | grep -q busy; do sleep 0.1; done")
    done = bramble("camera", "run", guest.board.name, "--source", SOURCE, "--once", cwd=tmp_path)
    assert done.returncode == 5, done.stderr
    assert f"{VIDEO} is held by v4l2-ctl (pid {holder})" in done.stderr
    guest.run(f"kill {holder}")


def test_busy_in_the_middle(guest: Guest) -> None:
    """A lost camera that somebody else takes is waited for, with his name; when he has gone, the loop goes on."""
    guest.plug_in()
    with looping(guest, SOURCE) as loop:
        script = f"while :; do {HOLDS}; v4l2-ctl -c inject_fatal_streaming_error=1; done"  # until it is faster
        holder = guest.run(f"({script}) > /dev/null 2>&1 & echo $!").strip()
        status = loop.in_trouble(f"{VIDEO} is held by v4l2-ctl (pid ")
        assert status.captured["lost"] >= 1
        guest.run(f"kill {holder}; pkill -x v4l2-ctl", check=False)
        loop.more()
        assert loop.status().trouble == ""
