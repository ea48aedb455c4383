"""What is installed here, found without importing it: a look costs nothing, importing a runtime 0.2 s and 30 MB."""

from __future__ import annotations

import importlib.util
import os
import re
import sys

from .wire import RuntimeFact

# (module, name on PyPI, family of its int8 kernels), the preferred one first
RUNTIMES = (("ai_edge_litert", "ai-edge-litert", "xnnpack"), ("tflite_runtime", "tflite-runtime", "builtin"))


def available() -> tuple[RuntimeFact, ...]:
    """The TFLite runtimes installed here, the preferred one first."""
    found = []
    for module, name, _ in RUNTIMES:
        if importlib.util.find_spec(module) is not None:
            found.append(RuntimeFact(name, version_of(module) or "unknown"))
    return tuple(found)


def version_of(module: str) -> str | None:
    """The installed version of a package, read off the name of its metadata; None if there is none.

    Debian's own packages carry ``.egg-info``, pip's ``.dist-info``.
    """
    pattern = re.compile(rf"{module}-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info$", re.IGNORECASE)
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            match = pattern.match(name)
            if match:
                return match.group(1)
    return None
