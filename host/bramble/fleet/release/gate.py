"""Whether a board can run a model, decided before the first byte is sent; what is unknown is let through.

The last word has the board: a release that does not give its golden answers there is never switched to.
"""

from __future__ import annotations

import re

from bramble.errors import IncompatibleError
from bramble.fleet.release.operators import TFLITE_RUNTIME_2_14
from bramble_agent.wire import BoardFacts, Manifest, RuntimeFact

DTYPES = ("int8", "uint8", "int16", "float32")  # what the agent feeds and reads
RUNTIME_BYTES = 48 << 20  # Python, numpy and a runtime, before any model
SPARE_BYTES = 1 << 20  # for what is written besides the files
LISTED = (2, 14, 0)  # the tflite-runtime whose operators are known; a newer one (not on PyPI) may have more


def check_fit(manifest: Manifest, facts: BoardFacts, missing_bytes: int, name: str) -> None:
    """Raise IncompatibleError, with every reason, where the board called ``name`` cannot run the model."""
    if not facts.runtimes or facts.numpy is None:
        lacking = "numpy" if facts.runtimes else "TFLite runtime"
        raise IncompatibleError(f"{name}: there is no {lacking} on the board", f"bramble board setup {name}")
    reasons = [
        *_operators(manifest, facts.runtimes[0]),
        *_version(manifest, facts.runtimes[0]),
        *_dtypes(manifest),
        *_memory(manifest, facts),
        *_space(facts, missing_bytes),
    ]
    if reasons:
        raise IncompatibleError(
            f"{name} cannot run {manifest.name}: " + "; ".join(why for why, _ in reasons), reasons[0][1]
        )


def _operators(manifest: Manifest, runtime: RuntimeFact) -> list[tuple[str, str]]:
    if runtime.name != "tflite-runtime" or _numbers(runtime.version) > LISTED:
        return []
    too_new = [
        f"{operator.name} version {operator.version}"
        for operator in manifest.operators
        if operator.version > TFLITE_RUNTIME_2_14.get(operator.name, 0)
    ]
    if not too_new:
        return []
    return [
        (
            f"{runtime.name} {runtime.version} has no {', '.join(too_new)}",
            "on a 64-bit board `bramble board setup` installs ai-edge-litert; else build the model without it",
        )
    ]


def _version(manifest: Manifest, runtime: RuntimeFact) -> list[tuple[str, str]]:
    """tflite-runtime counts as TensorFlow does, LiteRT anew from 1.0 on: it is newer than all of them."""
    has, needs = _numbers(runtime.version), _numbers(manifest.minimum_runtime)
    if runtime.name != "tflite-runtime" or not has or has >= needs:
        return []
    return [
        (
            f"it needs TensorFlow Lite {manifest.minimum_runtime}, the board has {runtime.name} {runtime.version}",
            "bramble board setup installs the newest that fits",
        )
    ]


def _dtypes(manifest: Manifest) -> list[tuple[str, str]]:
    odd = sorted({spec.dtype for spec in (*manifest.inputs, *manifest.outputs)} - set(DTYPES))
    return [(f"a tensor of {kind} cannot be fed or read", f"convert it to one of {', '.join(DTYPES)}") for kind in odd]


def _memory(manifest: Manifest, facts: BoardFacts) -> list[tuple[str, str]]:
    needed = manifest.files["model.tflite"].size_bytes + RUNTIME_BYTES
    if facts.memory_available_bytes is None or facts.memory_available_bytes >= needed:
        return []
    return [
        (
            f"it needs {needed / 1e6:,.0f} MB of memory or more, {facts.memory_available_bytes / 1e6:,.0f} MB are free",
            "stop other programs there, or build a smaller model",
        )
    ]


def _space(facts: BoardFacts, missing_bytes: int) -> list[tuple[str, str]]:
    needed = 2 * missing_bytes + SPARE_BYTES if missing_bytes else 0  # a file is there twice while it is unpacked
    if facts.disk_free_bytes is None or facts.disk_free_bytes >= needed:
        return []
    return [
        (
            f"it needs {needed / 1e6:,.0f} MB of free space, there are {facts.disk_free_bytes / 1e6:,.0f} MB",
            "free some space on the board",
        )
    ]


def _numbers(version: str) -> tuple[int, ...]:
    """The three numbers of a version, () for one that has none."""
    found = [int(number) for number in re.findall(r"\d+", version)[:3]]
    return tuple(found + [0] * (3 - len(found))) if found else ()
