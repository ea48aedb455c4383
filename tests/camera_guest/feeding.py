"""Runs on the guest: be the camera behind a v4l2loopback device, with one picture over and over, ten times a second.

Arguments: the agent's zip, the device, width, height, pixel format, the file with the frame's bytes.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from bramble_agent.camera.sources.v4l2_words import PICTURE, Words, code, requests

OUTPUT = 2
device, width, height, form, path = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6]
frame = Path(path).read_bytes()
file = os.open(device, os.O_RDWR)
words = Words()
data = bytearray(words.format_size)
struct.pack_into("<I", data, 0, OUTPUT)
row = 2 * width if form == "YUYV" else 0
PICTURE.pack_into(data, words.format_before, width, height, code(form), 1, row, len(frame), 8, *[0] * 5)
fcntl.ioctl(file, requests(words).set_format, data, True)
while True:
    os.write(file, frame)
    time.sleep(0.1)
