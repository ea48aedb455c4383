"""What is loaded when: heavy packages only by the functions that use them; and the reader of imports itself."""

from __future__ import annotations

import pytest

from sources import all_imports, imports, sources, told

INSIDE_FUNCTIONS = {
    "PIL",
    "ai_edge_litert",
    "ai_edge_quantizer",
    "matplotlib",
    "sklearn",
    "tensorflow",
    "tensorly",
    "tflite_runtime",
}
HEAVY = {"keras", "tensorflow"}


@pytest.mark.slow
def test_what_is_optional_or_heavy_is_imported_where_it_is_used() -> None:
    """Pillow, TensorFlow, TFLite runtimes and matplotlib are imported inside functions only."""
    breaches = [
        told(source, one, "only inside functions")
        for source, one in all_imports()
        if one.target in INSIDE_FUNCTIONS and one.at_start
    ]
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize("start", ["bramble.cli", "bramble.pipeline", "bramble.reading", "bramble_agent.__main__"])
def test_nothing_heavy_is_loaded_at_start(start: str) -> None:
    """What these modules import when they are imported, however far down, never reaches Keras or TensorFlow."""
    paths: dict[str, str] = {start: start}
    queue = [start]
    while queue:
        name = queue.pop()
        for one in imports(sources()[name]):
            if one.at_start and one.target not in paths:
                paths[one.target] = f"{paths[name]} → {one.target}"
                queue += [one.target] if one.target in sources() else []
    assert not HEAVY & paths.keys(), "\n".join(paths[name] for name in HEAVY & paths.keys())


def test_reading_of_imports() -> None:
    """The reader itself, on imports that are known: relative, of a submodule, in a function, for type checkers."""
    pixels = {(one.target, one.at_start) for one in imports(sources()["bramble_agent.pixels"])}
    assert {("bramble_agent.wire", True), ("numpy", True), ("numpy", False), ("PIL", False)} <= pixels
    assert ("PIL", True) not in pixels
    verify = {one.target for one in imports(sources()["bramble_agent.verify"])}
    assert {"bramble_agent.pixels", "bramble_agent.runtime"} <= verify
    assert "bramble_agent" not in verify
    assert ("tensorflow", False) in {(one.target, one.at_start) for one in imports(sources()["bramble.convert"])}
