"""Which of the many video nodes of a board are cameras."""

from __future__ import annotations

import pytest

from bramble.fleet.probe.cameras import busy, cameras_of, denied

PI_5 = [  # what a Raspberry Pi 5 lists, with one USB camera
    *(f"video{n} 0 allowed rp1-cfe-csi2_ch{n}" for n in range(4)),
    "video19 0 allowed rpi-hevc-dec",
    *(f"video{n} 0 allowed pispbe-{kind}" for n, kind in ((20, "input"), (21, "tdn_input"), (22, "output0"))),
    "video8 0 allowed USB 2.0 Camera: USB Camera",
    "video9 1 allowed USB 2.0 Camera: USB Camera",
]


def test_raspberry_pi_5() -> None:
    """Codecs and picture processors are no cameras, a USB camera's second node is metadata, a CSI camera its sensor."""
    found = cameras_of(PI_5, ["rp1-csi2", "imx708_wide 4-001a", "dw9807 4-000c", "pisp-fe"], "")
    assert found == ("imx708_wide (CSI, I2C 4-001a)", "USB 2.0 Camera: USB Camera (/dev/video8)")


@pytest.mark.parametrize("name", ["Crispy cam", "Iris camera", "vivid", "Encore webcam", "mmal service 16.1"])
def test_names_that_look_like_codecs(name: str) -> None:
    """A camera's maker may choose any name."""
    assert cameras_of([f"video0 0 allowed {name}"], [], "") == (f"{name} (/dev/video0)",)


@pytest.mark.parametrize(
    ("said", "count"), [("supported=1 detected=1, libcamera interfaces=0", 1), ("detected=0", 0), ("", 0)]
)
def test_legacy_stack(said: str, count: int) -> None:
    """A camera that only the firmware sees is told."""
    assert len(cameras_of([], [], said)) == count


def test_order() -> None:
    """The nodes are in the order of their numbers."""
    lines = [f"video{n} 0 allowed cam{n}" for n in (10, 2, 0)]
    assert cameras_of(lines, [], "") == ("cam0 (/dev/video0)", "cam2 (/dev/video2)", "cam10 (/dev/video10)")


def test_busy() -> None:
    """Who holds a camera is told by name, if it has one; who holds a codec is nobody's trouble."""
    holders = ["video8 812 python3 serve.py", "video8 9", "video19 7 vlc", "video8", ""]
    assert busy(PI_5, holders) == (
        "/dev/video8 is held by python3 serve.py (process 812)",
        "/dev/video8 is held by a process (process 9)",
    )


def test_denied() -> None:
    """Nodes that the user may not open; one that is not there at all is another matter."""
    lines = [
        "video0 0 denied cam",
        "video2 0 absent cam",
        "video4 0 allowed cam",
        "video10 0 denied bcm2835-codec-decode",
    ]
    assert denied(lines, "pi") == ("/dev/video0 may not be opened by pi",)
