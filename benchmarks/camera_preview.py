"""What the live page costs the loop: with nobody looking, and with one viewer, who is a process of its own.

The viewer looks for a second and looks away for a second, in turns within one run, so that what else the machine does
falls on both alike. What the page costs while nobody looks is too little for a clock on the wall: it is told in the
loop's own processor time.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import threading
import time

from camera_loop import looped
from camera_rows import Row

from bramble_agent.camera.looker import Hooks
from bramble_agent.camera.loop import run
from bramble_agent.camera.openers import OPENERS
from bramble_agent.wire_camera import CameraAsk

FRAMES = "synthetic:?size=640x480&layout=jpeg"
EDGE_S = 0.1  # of a viewer's second, in which it comes and goes
VIEWER = """
import http.client, sys, time
port, turns = map(int, sys.argv[1:])
for _ in range(turns):
    time.sleep(1.0)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", "/preview.mjpeg")
    answer, begin, pictures = client.getresponse(), time.perf_counter(), 0
    while time.perf_counter() < begin + 1.0:
        pictures += answer.read1(1 << 20).count(b"--frame")
    print(begin, time.perf_counter(), pictures, flush=True)
    answer.close()
    client.close()
"""


def preview(bundle: str, frames: int, turns: int) -> list[Row]:
    """The loop's processor time with a page and without, and its rate with a viewer and without."""
    cpu: dict[str, list[float]] = {"no page": [], "nobody": []}
    for _ in range(turns):
        for kind, all_ in cpu.items():
            page = "" if kind == "no page" else "127.0.0.1:0"
            began = time.thread_time()
            looped(CameraAsk(bundle, f"{FRAMES}&frames={frames}", tell="nothing", page=page))
            all_.append(time.thread_time() - began)
    off = 1.0 - min(cpu["no page"]) / min(cpu["nobody"])
    shares, rates = viewed(bundle, 6 * turns)
    detail = {"source": FRAMES, "frames": frames, "CPU seconds": cpu}
    seen = {"source": FRAMES, "shares by turn": shares, "pictures a second": rates}
    return [
        Row("share of the loop's processor time that the page costs while nobody looks", off, "≤", 0.01, detail),
        Row("share of its fps that the preview costs with one viewer", statistics.median(shares), "≤", 0.10, seen),
    ]


def viewed(bundle: str, turns: int) -> tuple[list[float], list[float]]:
    """By turn: the share of the rate that a viewer's second costs beside the second before it; pictures a second."""
    times: list[float] = []
    port, stop = free_port(), threading.Event()
    ask = CameraAsk(bundle, FRAMES, tell="nothing", page=f"127.0.0.1:{port}")
    hooks = Hooks(prediction=lambda told, frame: times.append(time.perf_counter()))
    loop = threading.Thread(target=lambda: run(ask, lambda _: None, stop, OPENERS, hooks), daemon=True)
    loop.start()
    while len(times) < 100:
        time.sleep(0.05)
    words = [sys.executable, "-c", VIEWER, str(port), str(turns)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    stop.set()
    loop.join()
    shares, rates = [], []
    for line in told.splitlines():
        begin, end, pictures = map(float, line.split())
        on = sum(begin + EDGE_S < at < end for at in times) / (end - begin - EDGE_S)
        before = sum(begin - 0.9 < at < begin - EDGE_S for at in times) / (0.9 - EDGE_S)
        shares.append(1.0 - on / before)
        rates.append(pictures / (end - begin))
    return shares, rates


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
