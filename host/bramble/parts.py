"""What a stage's result is made of: libraries and modules whose change computes it anew (``pipeline`` keys by them)."""

from __future__ import annotations

LIBRARIES = ("keras", "tensorflow", "numpy", "ai-edge-litert")
LIBRARIES_OF_STAGE = {  # besides LIBRARIES
    "cluster": ("scikit-learn",),
    "factorize": ("tensorly",),
    "quantize": ("flatbuffers",),
    "vector": ("scikit-learn",),
}
EVERY_STAGE = (
    "bramble.audit",
    "bramble.build_model",
    "bramble.channels",
    "bramble.convert",
    "bramble.copying",
    "bramble.datasets.types",
    "bramble.evaluate",
    "bramble.fit",
    "bramble.flatten",
    "bramble.masks",
    "bramble.reporter",
    "bramble.seen",
    "bramble.sharing",
    "bramble.stages",
    "bramble.tflite",
    "bramble.zeros",
    "bramble_agent.pixels",
)
OF_STAGE = {  # what a technique is made of, besides its own file and EVERY_STAGE
    "binarize": ("bramble.bn_stats", "bramble.hinge", "bramble.shadows", "bramble.shared_fit"),
    "cluster": ("bramble.codebooks", "bramble.shared_fit"),
    "factorize": ("bramble.low_rank", "bramble.rewire"),
    "hash": ("bramble.shared_fit", "bramble_agent.xxh32"),
    "head": (
        "bramble.resting",
        "bramble.rewire",
    ),
    "prune": (
        "bramble.constants",
        "bramble.dead",
        "bramble.density",
        "bramble.phases",
        "bramble.rebuild",
        "bramble.regrow",
        "bramble.resting",
        "bramble.scores",
        "bramble.sensitivity",
        "bramble.surgeon",
    ),
    "quantize": (
        "bramble.compress.aware",
        "bramble.layers_table",
        "bramble.quantization.export",
        "bramble.quantization.flatbuffer",
        "bramble.quantization.fold",
        "bramble.quantization.graph",
        "bramble.quantization.grid",
        "bramble.quantization.islands",
        "bramble.quantization.places",
        "bramble.quantization.plain",
        "bramble.quantization.prepare",
        "bramble.quantization.ranges",
        "bramble.quantization.retie",
        "bramble.quantization.simulate",
        "bramble_agent.codec",
        "bramble_agent.runtime",
    ),
    "vector": ("bramble.codebooks", "bramble.shared_fit"),
    "slim": ("bramble.bn_stats", "bramble.rebuild", "bramble.scores", "bramble.widths"),
}
