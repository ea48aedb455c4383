"""Runs on the guest: read sources with the agent's own code, and tell what the model would get.

Standard input: [[source, height, width, colour], …] as JSON; the first argument: the agent's zip. Standard output: for
each, [width, height, layout, colours] of the frame, its age in ms, and the model's pixels in base64.
"""

from __future__ import annotations

import base64
import json
import sys
import time

sys.path.insert(0, sys.argv[1])

from bramble_agent.camera.convert import Converter
from bramble_agent.camera.sources.open import source
from bramble_agent.wire import Pixels

told = []
for text, height, width, color in json.load(sys.stdin):
    wanted = Pixels(height, width, color)
    one = source(text, wanted)
    form = one.open()
    frame = one.read()
    assert frame is not None
    age_ms = (time.monotonic_ns() - frame.taken_ns) / 1e6
    pixels = base64.b64encode(Converter(wanted).pixels(frame).tobytes()).decode()
    one.close()
    told.append([[form.width, form.height, form.layout, form.colours], age_ms, pixels])
print(json.dumps(told))
