"""What a stage's key is made of: every module and library of ours and others that can change its result."""

from __future__ import annotations

from typing import get_args

import pytest

import bramble.pipeline
from bramble.parts import EVERY_STAGE, LIBRARIES, LIBRARIES_OF_STAGE, OF_BUNDLE, OF_STAGE
from bramble.pipeline import made_of
from bramble.recipe import Stage
from sources import imports, sources

STAGES = [get_args(kind.model_fields["do"].annotation)[0] for kind in get_args(get_args(Stage)[0])]
CANNOT_CHANGE_A_RESULT = {
    "bramble",  # the version and a docstring
    "bramble.compress",  # a docstring
    "bramble.errors",  # what is raised leaves no result
    "bramble.events",  # what is told on the way
    "bramble.packing",  # a docstring
    "bramble.quantization",  # a docstring
    "bramble.recipe",
    "bramble.recipe_quantize",  # knobs: their values are in the key, defaults and all
    "bramble.recipe_sharing",  # the same
    "bramble.tuning",  # the same
    "bramble.work",  # holds what a technique works with, computes nothing
    "bramble_agent",  # a docstring
    "bramble_agent.digest",  # a sha256 has one value
    "bramble_agent.errors",  # what is raised leaves no result
    "bramble_agent.installed",  # looks up which version a library has
    "bramble_agent.unpacking",  # a docstring
    "bramble_agent.wire",  # plain records: what they hold comes from the recipe and the data
}
QUANTIZATION = (
    "adaround ai_edge bias_correction equalize export flatbuffer fold graph grid islands patches places plain prepare "
    "ranges retie simulate taps"
)
OF_QUANTIZE = {  # bramble.stages calls these for the last stage only: the table of layers, the audit, the interpreter
    "bramble.compress.aware",
    "bramble.packing.record",
    "bramble.pruning.layers_table",
    *(f"bramble.quantization.{name}" for name in QUANTIZATION.split()),
    "bramble_agent.codec",
    "bramble_agent.runtime",
    "bramble_agent.unpacking.plan",
}
IMPORTED_AS = {"scikit-learn": "sklearn"}
NOT_COMPUTED_WITH = {
    "pydantic",  # reads recipes
    "PIL",  # pixels of boards; a data set's pictures have a digest of their own
    "tflite_runtime",  # the interpreter on old boards
    "threadpoolctl",  # how many threads, not what they compute
    "ai_edge_quantizer",  # its version is in the key where a stage asks for it: see ai_edge.needed
}


def reached(do: str) -> set[str]:
    """The modules of ours that running a stage imports, however far down, inside functions too; no other technique."""
    own, seen = f"bramble.compress.{do}", set[str]()
    queue = [own, "bramble.stages", "bramble_agent.pixels"]
    while queue:
        name = queue.pop()
        if name in seen or (name.removeprefix("bramble.compress.") in STAGES and name != own):
            continue
        seen.add(name)
        queue += [one.target for one in imports(sources()[name]) if one.target in sources()]
    return seen


def key_modules(do: str) -> set[str]:
    """The modules whose code is in a stage's key."""
    return {f"bramble.compress.{do}", *OF_STAGE.get(do, ()), *EVERY_STAGE}


@pytest.mark.parametrize("do", STAGES)
def test_every_module_of_a_stage_is_in_its_key(do: str) -> None:
    """A change of any module that a stage is made of recomputes it."""
    other = set() if do == "quantize" else OF_QUANTIZE
    assert not sorted(reached(do) - key_modules(do) - CANNOT_CHANGE_A_RESULT - other)


@pytest.mark.parametrize("do", STAGES)
def test_what_is_left_out_is_needed_there(do: str) -> None:
    """No module is both in a key and said to change nothing, and no key names a module that is not there."""
    assert not key_modules(do) & CANNOT_CHANGE_A_RESULT
    assert key_modules(do) <= sources().keys()
    assert set(OF_STAGE.get(do, ())) <= reached(do)


@pytest.mark.parametrize("do", STAGES)
def test_every_library_of_a_stage_is_in_its_key(do: str) -> None:
    """What those modules import from others has its version in the key."""
    found = {one.target for name in reached(do) for one in imports(sources()[name])} - sources().keys()
    keyed = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in (*LIBRARIES, *LIBRARIES_OF_STAGE.get(do, ()))}
    other = set() if do == "quantize" else {"flatbuffers"}
    assert not sorted(found - keyed - NOT_COMPUTED_WITH - other)


def test_a_library_recomputes_the_stages_that_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others of tensorly, scikit-learn and flatbuffers make anew the stages that need them, nothing else."""
    before = {do: made_of(do) for do in STAGES}
    monkeypatch.setattr(bramble.pipeline.metadata, "version", lambda name: f"another {name}")
    assert [do for do in STAGES if made_of(do) != before[do]] == ["factorize", "cluster", "vector", "quantize"]


def test_a_changed_packer_makes_a_new_bundle() -> None:
    """Every module that packs models, on both sides, is in a bundle's key; what only tells of them is not."""
    both = {name for name in sources() if name.startswith(("bramble.packing.", "bramble_agent.unpacking."))}
    assert set(OF_BUNDLE) == {"bramble.bundle", *both} - {"bramble.packing.contents_table"}
