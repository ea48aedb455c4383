"""Run a recipe: its stages, then score and bundle; each an artifact that a repeated run finds again.

Nothing here imports TensorFlow before a stage has to be computed: a run whose artifacts are all there takes a moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import Any

from bramble import __version__
from bramble.artifact import Artifact, Store, code_digest, key_of
from bramble.bundle import Contents, golden_pictures, pack, packed_model_bytes, scores_of, zip_bundle
from bramble.datasets import open_source
from bramble.datasets.types import Dataset, Source, split
from bramble.errors import RecipeError, TrainingDiverged
from bramble.events import Note, OnEvent, StageBegan
from bramble.origin import origin_digest
from bramble.parts import EVERY_STAGE, LIBRARIES, LIBRARIES_OF_STAGE, OF_BUNDLE, OF_STAGE
from bramble.quantization import ai_edge
from bramble.reading import ReadRecipe, read_recipe
from bramble.recipe import TRAINED, Distill, Recipe, Stage, tuning_of
from bramble.recipe_quantize import Quantize
from bramble.report.audit_lines import audit_lines
from bramble.teachers import Shapes, demand_alike, demand_files_alike
from bramble.tuning import SELF, Taught
from bramble_agent.digest import sha256_file
from bramble_agent.wire import Budget, Pixels

Facts = dict[str, Any]
Fill = Callable[[Path], Facts]


@dataclass(frozen=True)
class Options:
    """How to run: where data and results are, whether to use what was made before, whether damaged data is an error."""

    data_dir: Path | None = None
    runs: Path = Path("runs")
    fresh: bool = False
    strict: bool = False


@dataclass(frozen=True)
class Built:
    """A finished run: its folder (with bundle/ and bundle.zip) and facts; ``cached`` if nothing had to be computed."""

    folder: Path
    facts: Facts
    cached: bool

    @property
    def bundle(self) -> Path:
        """The bundle as one file, ready to be pushed."""
        return self.folder / "bundle.zip"


def build(read: ReadRecipe, options: Options, on_event: OnEvent) -> Built:
    """Run the recipe's stages, score the result on the test set, and pack the bundle.

    Raises a BrambleError; what was finished until then is found again by the next run.
    """
    run = _Run(read, options, on_event)
    done = _stages(run, read.recipe.stage)
    last = done[-1]
    key = key_of(last.key, "score", code_digest("bramble.evaluate"))
    score = run.step(run.store, "evaluate", key, partial(run.score, last))
    key = key_of(key, read.recipe.name, read.recipe.budget.model_dump(), code_digest(*OF_BUNDLE, __name__))
    stages = [artifact.facts for artifact in done]
    place = Store(options.runs / read.recipe.name)
    final = run.step(place, "bundle", key[:12], partial(run.bundle, last, score.facts, stages))
    return Built(final.folder, final.facts, run.cached)


def trained(read: ReadRecipe, options: Options, on_event: OnEvent) -> Path:
    """The Keras file that the recipe's stages before quantize leave, found or made; nothing is scored.

    Raises a BrambleError, RecipeError where quantize is the only stage.
    """
    stages = [stage for stage in read.recipe.stage if not isinstance(stage, Quantize)]
    if not stages:
        raise RecipeError(f"the recipe {read.recipe.name} trains nothing", "give it a stage before quantize")
    return _stages(_Run(read, options, on_event), stages)[-1].file("model.keras")


def _stages(run: _Run, stages: Sequence[Stage]) -> list[Artifact]:
    """The artifacts of stages, each found or made from the one before it."""
    key, done = run.first_key(), list[Artifact]()
    teachers = [_teacher(run, stage) for stage in stages]  # first, so that a missing one is told before any work
    backends = [ai_edge.needed(getattr(stage, "backend", "")) for stage in stages]
    run.unchecked = [teacher for teacher in teachers if teacher]
    for stage, named, theirs in zip(stages, teachers, backends, strict=True):
        itself = getattr(tuning_of(stage), "teacher", None) == SELF
        taught = SELF if itself else sha256_file(named) if named else None  # what it is itself is in the key already
        teacher = run.model_file(done) if itself else named
        knobs = stage.model_dump(exclude={"teacher": True, "assistants": True, "aware": {"teacher": True}})
        key = key_of(key, knobs, taught, *made_of(stage.do), *theirs)
        previous = done[-1] if done else None
        done.append(run.step(run.store, stage.do, key, partial(run.stage, stage, previous, teacher)))
    return done


def made_of(do: str) -> tuple[str, dict[str, str]]:
    """What the results of a technique depend on: the digest of its code, the versions of libraries it alone needs."""
    code = code_digest(f"bramble.compress.{do}", *OF_STAGE.get(do, ()), *EVERY_STAGE)
    return code, {name: metadata.version(name) for name in LIBRARIES_OF_STAGE.get(do, ())}


def _teacher(run: _Run, stage: Stage) -> Path | None:
    """The Keras file of a stage's teacher, made if need be; through its assistants, each taught by the one before.

    None where there is none, or where it is the model itself: that is made on the way.
    """
    tuning = tuning_of(stage)
    named = tuning.teacher if isinstance(tuning, Taught | Distill) else None
    if named is None or named == SELF:
        return None
    model = _trained(run, named, None)
    for assistant in stage.assistants if isinstance(stage, Distill) else ():
        model = _trained(run, assistant, model)
    return model


def _trained(run: _Run, named: str, teacher: Path | None) -> Path:
    """The Keras file that ``named`` is, or that its recipe leaves before quantize; perhaps taught by ``teacher``."""
    if named.endswith((".keras", ".h5")):
        path = run.folder / named
        if not path.is_file():
            raise RecipeError(f"teacher: there is no file {path}")
        if teacher is not None:
            raise RecipeError(f"assistants: {named} is trained already", "assistants are recipes")
        return path
    place = run.folder / named
    read = read_recipe(str(place) if place.is_file() else named)
    stages = [stage for stage in read.recipe.stage if not isinstance(stage, Quantize)]
    if read.recipe in (run.recipe, *run.pupils):
        raise RecipeError(f"teacher: the recipe {read.recipe.name} is its own teacher", "choose another")
    if not stages or (teacher is not None and not isinstance(stages[0], TRAINED)):
        raise RecipeError(
            f"teacher: the recipe {read.recipe.name} trains nothing first", "give its .keras file instead"
        )
    if read.recipe.data.range != run.recipe.data.range:
        raise RecipeError(f"teacher: the recipe {read.recipe.name} has another data.range", "use one range for both")
    run.on_event(Note(f"teacher {read.recipe.name}:"))
    other = _Run(read, replace(run.options, fresh=False), run.on_event, (*run.pupils, run.recipe))
    demand_alike(f"the teacher {read.recipe.name}", other.shapes, run.shapes)
    if teacher is not None:
        knobs = stages[0].model_dump(exclude={"do", "teacher", "assistants"})
        stages[0] = Distill(**knobs, do="distill", teacher=str(teacher.resolve()))
    made = _stages(other, stages)[-1]
    run.cached = run.cached and other.cached
    return made.file("model.keras")


class _Run:
    """One run's surroundings; data is loaded when the first step needs it, once."""

    def __init__(self, read: ReadRecipe, options: Options, on_event: OnEvent, pupils: tuple[Recipe, ...] = ()) -> None:
        self.recipe, self.folder, self.pupils = read.recipe, read.folder, pupils
        self.options, self.on_event = options, on_event
        self.store = Store(options.runs / ".artifacts")
        self.cached = True
        self.skipped: list[str] = []
        self.unchecked: list[Path] = []
        self._number = 0

    @cached_property
    def source(self) -> Source:
        def warn(text: str) -> None:
            self.skipped.append(text)
            self.on_event(Note(text, warning=True))

        return open_source(self.recipe.data, self.folder, self.options.data_dir, self.options.strict, warn)

    @cached_property
    def data(self) -> Dataset:
        return split(self.source, self.recipe.data.held_out)

    @cached_property
    def pixels(self) -> Pixels:
        height, width, channels = self.source.shape
        color = "gray" if channels == 1 else "rgb"
        return Pixels(height, width, color, *self.recipe.data.range, self.recipe.data.fit)

    @property
    def shapes(self) -> Shapes:
        """What a model for this run's data takes and gives."""
        return (None, *self.source.shape), (None, len(self.source.labels))

    def model_file(self, done: Sequence[Artifact]) -> Path:
        """The Keras file of the model as the stages that are ``done`` leave it."""
        return done[-1].file("model.keras") if done else self.folder / str(self.recipe.model.keras)

    def first_key(self) -> str:
        """What everything begins with: libraries, seed, data, model."""
        recipe = self.recipe
        return key_of(
            {name: metadata.version(name) for name in LIBRARIES},
            recipe.seed,
            recipe.data.model_dump(exclude={"path"}),
            self.options.strict and recipe.data.name == "folder",  # what was built leniently does not pass strictly
            self.source.digest,
            code_digest(f"bramble.datasets.{recipe.data.name}"),
            recipe.model.model_dump(),
            origin_digest(recipe.model, self.folder),
        )

    def step(self, store: Store, name: str, key: str, fill: Fill) -> Artifact:
        """The artifact of ``key``: found, or made by ``fill`` and timed."""
        self._number += 1
        found = None if self.options.fresh else store.find(key)
        self.on_event(StageBegan(self._number, len(self.recipe.stage) + 2, name, found is not None))
        if found is not None:
            self._tell_again(found.facts.get("skipped", ()))
            return found
        self.cached = False
        start = time.perf_counter()

        def timed(folder: Path) -> Facts:
            facts = fill(folder)
            known = {"name": name, "seconds": round(time.perf_counter() - start, 3)}
            return {**known, **facts, **({"skipped": list(self.skipped)} if self.skipped else {})}

        return store.make(key, timed)

    def _tell_again(self, skipped: Sequence[str]) -> None:
        """Warn of what was skipped when a cached artifact was made, each once."""
        for text in skipped:
            if text not in self.skipped:
                self.skipped.append(text)
                self.on_event(Note(text, warning=True))

    def stage(self, stage: Stage, previous: Artifact | None, teacher: Path | None, folder: Path) -> Facts:
        """Run one stage on the model of the artifact before it, or on the recipe's own model."""
        from bramble.asked import Asked, asked
        from bramble.build_model import build_model, load_model, set_seed
        from bramble.stages import run_stage
        from bramble.work import Work

        demand_files_alike(self.unchecked, self.shapes)  # of all stages, before the first one takes its time
        self.unchecked = []
        data = self.data
        set_seed(self.recipe.seed)
        if previous is not None:
            model = load_model(previous.file("model.keras"))
        else:
            model = build_model(self.recipe.model, self.folder, self.source.shape, len(self.source.labels))
        taught_by = load_model(teacher) if teacher else None
        work = Work(data, self.pixels, self.recipe.seed, self.on_event)
        place = Asked(self.store, key_of(self.source.digest, self.recipe.data.held_out))
        answers = asked(stage, taught_by, sha256_file(teacher), work, place) if teacher else None
        try:
            return run_stage(stage, model, taught_by, work, folder, answers)
        except TrainingDiverged as error:
            raise TrainingDiverged(f"stage {self._number} ({stage.do}): {error.message}", error.hint) from error

    def score(self, last: Artifact, folder: Path) -> Facts:
        """Read the test set, once: the float32 file and the shipped one, through the interpreter."""
        from bramble.evaluate import evaluate

        float_file = last.file("float.tflite")
        return {
            "float": evaluate(float_file, self.data.test, self.pixels),
            "shipped": evaluate(last.file("model.tflite"), self.data.test, self.pixels),
            "tested": len(self.data.test),
            "float_bytes": float_file.stat().st_size,
        }

    def bundle(self, last: Artifact, score: Facts, stages: list[Facts], folder: Path) -> Facts:
        """Pack the run's result."""
        contents = Contents(
            name=self.recipe.name,
            labels=self.source.labels,
            pixels=self.pixels,
            output_kind=last.facts["output_kind"],
            pictures=golden_pictures(self.data),
            budget=Budget(**self.recipe.budget.model_dump()),
            scores=scores_of(score, last.facts),
            provenance=self._provenance(last),
            hashed=[(one["seed"], one["buckets"]) for stage in stages for one in stage.get("hashed", {}).values()],
        )
        (folder / "bundle").mkdir()
        digest = pack(folder / "bundle", last.file("model.tflite").read_bytes(), contents)
        zip_bundle(folder / "bundle", folder / "bundle.zip")
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "bundle": digest,
            "shipped_bytes": packed_model_bytes(folder / "bundle.zip"),
            "stages": stages,
        }

    def _provenance(self, last: Artifact) -> dict[str, str]:
        made = {"bramble": __version__, "recipe": self.recipe.name, "data": self.source.digest, "artifact": last.key}
        made["audit"] = "; ".join([f"{last.facts['audit']['scheme']} passed", *audit_lines(last.facts["audit"])])
        return {**made, **{name: metadata.version(name) for name in LIBRARIES}}
