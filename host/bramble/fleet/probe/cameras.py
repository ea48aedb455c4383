"""Which cameras a board has, by what its kernel lists: V4L2 nodes that capture, and sensors on the camera connector.

A Raspberry Pi shows a dozen nodes of codecs and of its picture processor; they are no cameras. A CSI camera is its
sensor ("imx219 10-0010" on the I2C bus), not the bridge that it feeds. A USB camera has a second node for metadata.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NOT_A_CAMERA = re.compile(
    r"bcm2835-(codec|isp)|rpivid|rpi-hevc|pispbe|rp1-cfe|unicam|rkisp|rkcif|rkvdec|[-_]rga\b|[-_]vpu|hantro|cedrus|"
    r"sun\d+i-|meson-v|venus-|qcom-iris|s5p-mfc|vcodec|wave5|mxc-(isi|jpeg)",
    re.IGNORECASE,
)
SENSOR = re.compile(r"([\w-]+) (\d+-[0-9a-f]{4})$")
NOT_A_SENSOR = re.compile(r"dw9\d{3}|ad58\d\d|ak73\d\d|lens|flash", re.IGNORECASE)  # they move lenses
LEGACY = re.compile(r"detected=([1-9])")


def cameras_of(videos: Sequence[str], subdevices: Sequence[str], legacy: str) -> tuple[str, ...]:
    """The cameras by name: CSI sensors, then nodes that capture; ``legacy`` is what ``vcgencmd get_camera`` says."""
    sensors = [match.groups() for match in map(SENSOR.match, subdevices) if match]
    csi = [f"{name} (CSI, I2C {place})" for name, place in sensors if not NOT_A_SENSOR.search(name)]
    if not csi and LEGACY.search(legacy) and not _nodes(videos):
        csi = ["camera on the CSI connector (seen by the firmware alone)"]
    return (*csi, *(f"{name} (/dev/{node})" for node, _, name in _nodes(videos)))


def denied(videos: Sequence[str], user: str) -> tuple[str, ...]:
    """The camera nodes that the user may not open."""
    return tuple(f"/dev/{node} may not be opened by {user}" for node, access, _ in _nodes(videos) if access == "denied")


def busy(videos: Sequence[str], holders: Sequence[str]) -> tuple[str, ...]:
    """Who holds a camera open; of other users' processes only root learns."""
    nodes = {node for node, _, _ in _nodes(videos)}
    held = [line.split(maxsplit=2) for line in holders]
    return tuple(
        f"/dev/{row[0]} is held by {row[2] if len(row) > 2 else 'a process'} (process {row[1]})"
        for row in held
        if len(row) > 1 and row[0] in nodes
    )


def _nodes(videos: Sequence[str]) -> list[tuple[str, str, str]]:
    """Node, access and name of each camera's first node, from "video0 0 allowed HD Webcam"."""
    rows = [row for row in (line.split(maxsplit=3) for line in videos) if len(row) == 4]
    rows.sort(key=lambda row: (len(row[0]), row[0]))  # video2 before video10
    return [
        (node, access, name) for node, index, access, name in rows if index == "0" and not NOT_A_CAMERA.search(name)
    ]
