"""Make the dictionary of packed models anew: the plan of a small .tflite as today's exporter writes it.

    python benchmarks/dictionary.py [MODEL.tflite]

Writes device/bramble_agent/unpacking/dictionary.py. That is a new version of the format: count VERSION in
``bramble_agent.unpacking.unpack`` up. The model is benchmarks/dictionary.tflite: the zoo's digits CNN (convolutions,
pooling, dense layers) by the recipe digits-int8, whose plan is nothing but layout, as its vectors are left out.
"""

from __future__ import annotations

import argparse
import base64
import zlib
from pathlib import Path

from bramble.packing.cut import pieces
from bramble.packing.record import recorded

HERE = Path(__file__).parent
SOURCE = HERE / "dictionary.tflite"
MODULE = HERE.parent / "device" / "bramble_agent" / "unpacking" / "dictionary.py"
WIDTH = 100
HEAD = '''"""What the plans of .tflite files have in common: that of a small one, for ``skeleton`` to learn first.

It is that of the zoo's digits CNN (convolutions, pooling, dense layers, int8) as Bramble's exporter writes it. Part of
the format: a change of it is a new version of ``unpack``. Made by benchmarks/dictionary.py.
"""

from __future__ import annotations

import base64
import zlib

'''
TAIL = '''def words() -> bytes:
    """The {size:,} bytes."""
    return zlib.decompress(base64.b85decode(_TEXT))
'''


def main() -> None:
    """Write the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=SOURCE)
    MODULE.write_text(module(plan_of(parser.parse_args().model.read_bytes())), encoding="utf-8")


def plan_of(model: bytes) -> bytes:
    """The plan of a model without its vectors. Raises SystemExit for one of another layout."""
    found = recorded(model)
    if found is None:
        raise SystemExit("this model was not written by Bramble's exporter of today")
    return found.plan({piece.offset for piece in pieces(model)})


def module(plan: bytes) -> str:
    """The source of the module."""
    text = base64.b85encode(zlib.compress(plan, 9)).decode()
    lines = "".join(f'    "{text[at : at + WIDTH]}"\n' for at in range(0, len(text), WIDTH))
    return f"{HEAD}_TEXT = (\n{lines})\n\n\n{TAIL.format(size=len(plan))}"


if __name__ == "__main__":
    main()
