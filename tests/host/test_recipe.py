"""A recipe as validated data: defaults, strictness, and the rules that span several keys."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from bramble.recipe import Distill, Factorize, Head, Prune, Recipe, Slim, Train
from bramble.recipe_quantize import Quantize

TRAIN: dict[str, Any] = {"do": "train"}
DISTILL: dict[str, Any] = {"do": "distill", "teacher": "lenet5-int8"}
PRUNE: dict[str, Any] = {"do": "prune", "density": 0.1}
SLIM: dict[str, Any] = {"do": "slim", "ratio": 0.5}
FACTORIZE: dict[str, Any] = {"do": "factorize"}
HEAD: dict[str, Any] = {"do": "head"}
QUANTIZE: dict[str, Any] = {"do": "quantize"}
BUILD = {"build": "bramble_zoo.digits_cnn:build"}


def recipe(**changes: Any) -> Recipe:
    """A least recipe with some of its top-level keys changed; None leaves a key out."""
    raw: dict[str, Any] = {"name": "small", "data": {"name": "digits"}, "model": BUILD, "stage": [TRAIN, QUANTIZE]}
    raw |= changes
    return Recipe.model_validate({key: value for key, value in raw.items() if value is not None})


def test_least_recipe_has_the_documented_defaults() -> None:
    """What a recipe leaves out is what the documentation says."""
    read = recipe()
    train, quantize = read.stage
    assert isinstance(train, Train)
    assert isinstance(quantize, Quantize)
    assert (read.seed, read.data.held_out, read.data.range) == (1, 0.1, (0.0, 1.0))
    assert (train.epochs, train.batch_size, train.learning_rate, train.schedule) == (10, 128, 1e-3, "cosine")
    assert (train.l1, train.l2, train.dropout, train.patience) == (0.0, 0.0, None, 0)
    assert train.keep_zeros is True
    assert set(train.augment.model_dump().values()) == {0}  # False is 0
    assert (quantize.scheme, quantize.calibration) == ("int8", 500)
    assert set(read.budget.model_dump().values()) == {None}


def test_recipe_cannot_be_changed() -> None:
    """A recipe is frozen: what was hashed is what runs."""
    read = recipe()
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        read.seed = 2
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        read.data.held_out = 0.5


@pytest.mark.parametrize(
    "stage",
    [
        {"epochs": 0},
        {"epochs": 1.5},
        {"epochs": "3"},
        {"epochs": True},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"schedule": "linear"},
        {"l1": -0.1},
        {"l2": "small"},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"patience": -1},
        {"augment": {"shift": -1}},
        {"augment": {"flip": 1}},
        {"epoch": 3},
    ],
    ids=str,
)
def test_train_refuses_what_cannot_work(stage: dict[str, Any]) -> None:
    """A wrong type, a value out of range and an unknown key are all refused, nothing is coerced."""
    with pytest.raises(pydantic.ValidationError) as caught:
        recipe(stage=[TRAIN | stage, QUANTIZE])
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Upper"},
        {"name": "../up"},
        {"name": ""},
        {"name": "a" * 65},
        {"seed": -1},
        {"seed": True},
        {"data": {"name": "imagenet"}},
        {"data": {"name": "digits", "held_out": 0.0}},
        {"data": {"name": "digits", "held_out": 1.0}},
        {"data": {"name": "digits", "size": [0, 8]}},
        {"data": {"name": "digits", "range": [0.0]}},
        {"model": {"build": 3}},
        {"stage": []},
        {"budget": {"accuracy": 1.01}},
        {"budget": {"size_bytes": 0}},
        {"budget": {"p95_ms": 0}},
    ],
    ids=str,
)
def test_recipe_refuses_what_cannot_work(changes: dict[str, Any]) -> None:
    """Names that leave the folder, shares outside (0, 1), empty stages and impossible budgets are refused."""
    with pytest.raises(pydantic.ValidationError):
        recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stage": [TRAIN]}, "the last stage, and only the last"),
        ({"stage": [QUANTIZE, TRAIN]}, "the last stage, and only the last"),
        ({"stage": [TRAIN, QUANTIZE, QUANTIZE]}, "the last stage, and only the last"),
        ({"stage": [QUANTIZE]}, 'begin with do = "train" or do = "distill"'),
        ({"stage": [DISTILL | {"teacher": "self"}, QUANTIZE]}, r'teacher = "self": .* put do = "train" before it'),
        (
            {"stage": [TRAIN, DISTILL | {"teacher": "self", "assistants": ["lenet5-int8"]}, QUANTIZE]},
            'teacher = "self" is the model itself',
        ),
        ({"model": {}}, "exactly one of build"),
        ({"model": BUILD | {"keras": "a.keras"}}, "exactly one of build"),
        ({"data": {"name": "folder"}}, "needs data.path"),
        ({"data": {"name": "digits", "path": "pictures"}}, "only goes with"),
    ],
    ids=str,
)
def test_rules_across_keys(changes: dict[str, Any], said: str) -> None:
    """Keys that are each fine but cannot go together are refused with the rule."""
    with pytest.raises(pydantic.ValidationError, match=said):
        recipe(**changes)


def test_compression_has_the_documented_defaults() -> None:
    """The least tables of the techniques: Hinton's loss, Han's way of pruning, plain widths."""
    distill, prune, slim, factorize, head = recipe(stage=[DISTILL, PRUNE, SLIM, FACTORIZE, HEAD, QUANTIZE]).stage[:5]
    assert isinstance(factorize, Factorize)
    assert isinstance(head, Head)
    assert (factorize.error, factorize.layers, head.linear, head.freeze_body) == (0.1, (), True, False)
    assert isinstance(distill, Distill)
    assert isinstance(prune, Prune)
    assert isinstance(slim, Slim)
    assert (distill.epochs, distill.temperature, distill.alpha, distill.assistants) == (10, 4.0, 0.9, ())
    assert (distill.hints, distill.attention, distill.hint_weight) == ({}, {}, 1.0)
    assert (prune.scope, prune.criterion, prune.ramp, prune.ramp_share) == ("global", "magnitude", "cubic", 0.6)
    assert (prune.rescale_dropout, prune.survivors, prune.probabilistic) == (True, "keep", False)
    assert prune.remove_dead
    assert (prune.regrow, prune.phases, prune.keep_zeros) == (False, "together", True)
    assert (slim.kind, slim.scope, slim.criterion) == ("channels", "local", "l2")
    assert (slim.round_to, slim.steps, slim.widths, slim.reestimate) == (1, 1, None, None)
    assert distill.fresh is False
    for stage in (prune, slim, factorize, head):
        assert (stage.epochs, stage.learning_rate, stage.teacher) == (5, 1e-4, None)


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        (DISTILL, {"teacher": None}),
        (DISTILL, {"assistants": "lenet5-int8"}),
        (DISTILL, {"temperature": 0}),
        (DISTILL, {"alpha": 1.1}),
        (DISTILL, {"epochs": 0}),
        (DISTILL, {"hints": {"conv1": 1}}),
        (DISTILL, {"hint_weight": -1}),
        (PRUNE, {"density": 0}),
        (PRUNE, {"density": 1.01}),
        (PRUNE, {"weights": {"fc1": 0}}),
        (PRUNE, {"scope": "layer"}),
        (PRUNE, {"criterion": "l2"}),
        (PRUNE, {"ramp": "square"}),
        (PRUNE, {"ramp_share": 0}),
        (PRUNE, {"survivors": "forget"}),
        (PRUNE, {"assistants": []}),
        (SLIM, {"ratio": 0}),
        (SLIM, {"ratio": 1}),
        (SLIM, {"ratio": None}),
        (SLIM, {"widths": {"conv1": 4}}),
        (SLIM, {"ratio": None, "widths": {"conv1": 0}}),
        (SLIM, {"ratio": None, "widths": {}}),
        (SLIM, {"ratio": None, "widths": {"conv1": 4}, "round_to": 8}),
        (SLIM, {"ratio": None, "widths": {"conv1": 4}, "scope": "global"}),
        (SLIM, {"reestimate": 1}),
        (SLIM, {"kind": "rows"}),
        (SLIM, {"criterion": "magnitude"}),
        (SLIM, {"round_to": 0}),
        (SLIM, {"steps": 0}),
        (SLIM, {"alpha": -0.1}),
        (FACTORIZE, {"error": 0}),
        (FACTORIZE, {"error": 1}),
        (FACTORIZE, {"layers": "fc1"}),
        (HEAD, {"epochs": 0}),
        (HEAD, {"linear": "yes"}),
        (DISTILL, {"fresh": 1}),
    ],
    ids=str,
)
def test_compression_refuses_what_cannot_work(stage: dict[str, Any], changes: dict[str, Any]) -> None:
    """Each stage refuses a value out of range, a word it does not know, and another stage's key."""
    with pytest.raises(pydantic.ValidationError) as caught:
        recipe(stage=[TRAIN, stage | changes, QUANTIZE])
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"density": None},
        {"quality": 1.0},
        {"densities": {"fc1": 0.5}},
        {"density": None, "densities": {"fc1": 0.5}, "quality": 1.0},
    ],
    ids=str,
)
def test_prune_has_one_target(changes: dict[str, Any]) -> None:
    """None, two, or two without the first: each is refused with the three names."""
    with pytest.raises(pydantic.ValidationError, match="exactly one of density, densities and quality"):
        recipe(stage=[TRAIN, PRUNE | changes, QUANTIZE])


def test_densities_name_at_least_one_layer() -> None:
    """An empty table would prune nothing."""
    with pytest.raises(pydantic.ValidationError, match="at least 1 item"):
        recipe(stage=[TRAIN, PRUNE | {"density": None, "densities": {}}, QUANTIZE])


@pytest.mark.parametrize("stage", [DISTILL, PRUNE, SLIM, FACTORIZE, HEAD], ids=lambda stage: str(stage["do"]))
def test_a_model_may_teach_itself_where_it_has_weights(stage: dict[str, Any]) -> None:
    """After a stage that trains, or as the first one on a file."""
    taught = stage | {"teacher": "self"}
    assert recipe(stage=[TRAIN, taught, QUANTIZE]).stage[1].do == stage["do"]
    assert recipe(model={"keras": "mine.keras"}, stage=[taught, QUANTIZE]).stage[0].do == stage["do"]


@pytest.mark.parametrize("first", [PRUNE, SLIM, FACTORIZE, HEAD], ids=lambda first: str(first["do"]))
def test_compression_needs_weights(first: dict[str, Any]) -> None:
    """Pruning and slimming begin with a trained model or a file's; distilling begins anywhere."""
    with pytest.raises(pydantic.ValidationError, match="has no weights yet"):
        recipe(stage=[first, QUANTIZE])
    assert recipe(model={"keras": "mine.keras"}, stage=[first, QUANTIZE]).stage[0].do == first["do"]
    assert recipe(stage=[DISTILL, first, QUANTIZE]).stage[0].do == "distill"


def test_keras_file_needs_no_training() -> None:
    """A model from a Keras file has weights, so quantizing it alone is a whole recipe."""
    read = recipe(model={"keras": "mine.keras"}, stage=[QUANTIZE])
    assert [stage.do for stage in read.stage] == ["quantize"]


@pytest.mark.parametrize("target", [{"quality": 1.0}, {"densities": {"fc1": 0.5}}], ids=str)
def test_sensitivity_needs_a_density(target: dict[str, object]) -> None:
    """What already says each layer's share leaves nothing to allocate."""
    with pytest.raises(pydantic.ValidationError, match="finds the densities itself: give density"):
        Prune.model_validate({"do": "prune", "scope": "sensitivity", **target})


@pytest.mark.parametrize(
    "where",
    [
        {"density": 0.5, "scope": "sensitivity"},
        {"density": 0.5, "scope": "local"},
        {"quality": 1.0},
        {"densities": {"fc1": 0.5}},
    ],
)
def test_factors_that_would_do_nothing_are_refused(where: dict[str, object]) -> None:
    """Factors on layers' scores change nothing where each layer keeps its own share: said, not ignored."""
    with pytest.raises(pydantic.ValidationError, match="weights only count"):
        Prune.model_validate({"do": "prune", "weights": {"fc1": 2.0}, **where})


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ({"scheme": "float16", "equalize": True}, 'equalize is for scheme = "int8", not float16'),
        ({"scheme": "int16x8", "rounding": "adaround"}, 'rounding is for scheme = "int8", not int16x8'),
        ({"aware": {}, "correct_bias": True}, "correct_bias repairs what was not trained"),
        ({"backend": "ai-edge-quantizer", "scheme": "float16"}, "knows int8, int16x8 and dynamic, not float16"),
        ({"backend": "ai-edge-quantizer", "equalize": True, "keep": ["a"]}, "equalize and keep needs backend"),
        ({"backend": "ai-edge-quantizer", "aware": {}}, 'aware needs backend = "bramble"'),
        ({"rounding": "stochastic"}, "'nearest' or 'adaround'"),
    ],
)
def test_repairs_and_backends_go_where_they_work(stage: dict[str, Any], said: str) -> None:
    """Repairs are for int8 that is not trained on, by our own exporter; the other backend knows three schemes."""
    with pytest.raises(pydantic.ValidationError, match=said):
        recipe(stage=[TRAIN, QUANTIZE | stage])


def test_repairs_are_off_unless_asked_for() -> None:
    """The least quantize repairs nothing; each key is told by its name."""
    assert Quantize.model_validate(QUANTIZE).repairs() == []
    every = QUANTIZE | {"equalize": True, "rounding": "adaround", "correct_bias": True}
    assert Quantize.model_validate(every).repairs() == ["equalize", "rounding", "correct_bias"]
