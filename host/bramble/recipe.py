"""A recipe: every knob of the product. TOML in, validated and frozen, no TensorFlow.

A recipe is data, a model, a list of stages and a budget. Each stage is one class here, named as its technique is named;
adding a technique begins by adding its class to ``Stage``. What the stages that train share is in ``tuning``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bramble.recipe_quantize import Quantize
from bramble.recipe_sharing import Binarize, Cluster, Hash, Vector
from bramble.tuning import SELF, AtLeastOne, NotNegative, Positive, Share, Table, Taught, Tuning


class Data(Table):
    """Which pictures, and how they reach the model."""

    name: Literal["digits", "mnist", "fashion_mnist", "cifar10", "folder"]
    """The data set; "folder" is a folder of pictures, one sub-folder a class."""
    path: str | None = None
    """For name = "folder": the folder, relative to the recipe."""
    size: tuple[AtLeastOne, AtLeastOne] = Field(default=(96, 96), strict=False)
    """For name = "folder": height and width of the model's input."""
    color: Literal["rgb", "gray"] = "rgb"
    """For name = "folder": the model's colours."""
    fit: Literal["stretch", "crop", "pad"] = "crop"
    """For name = "folder": how a picture of another shape is brought to size."""
    range: tuple[float, float] = Field(default=(0.0, 1.0), strict=False)
    """The real values that pixel 0 and pixel 255 become at the model's input."""
    held_out: Share = 0.1
    """Share of the training set kept for choices (early stopping, stage scores); never trained on."""
    test: Share = 0.2
    """For name = "folder" without a test/ folder: share of the pictures kept for the final score."""


class Model(Table):
    """Where the model comes from: a builder function or a Keras file."""

    build: str | None = None
    """A function "package.module:function" called with (input_shape, classes) that returns a Keras model."""
    keras: str | None = None
    """A .keras or .h5 file, relative to the recipe."""

    @model_validator(mode="after")
    def _one_source(self) -> Model:
        if (self.build is None) == (self.keras is None):
            raise ValueError('give exactly one of build = "module:function" and keras = "file"')
        return self


class Train(Tuning):
    """Train with Adam; with patience, the best epoch on the held-out part is kept."""

    do: Literal["train"]


class Distill(Tuning):
    """Learn from a teacher's soft answers (Hinton 2015), perhaps through assistants (Mirzadeh 2020)."""

    do: Literal["distill"]
    teacher: str
    """A recipe of the zoo, a path to one, a .keras file, or "self": the model as it is before this stage."""
    fresh: bool = False
    """Begin with new random weights: with teacher = "self" a born-again network (Furlanello et al. 2018)."""
    assistants: tuple[str, ...] = Field(default=(), strict=False)
    """Recipes whose models are trained in between, each by the one before; the last one teaches this model."""
    temperature: Positive = 4.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Share of the softened loss; the labels have the rest."""
    hints: dict[str, str] = Field(default={})
    """Student layer = teacher layer: their activations are drawn together (FitNets; Romero et al. 2015)."""
    attention: dict[str, str] = Field(default={})
    """Student layer = teacher layer: their attention maps are drawn together (Zagoruyko & Komodakis 2017)."""
    hint_weight: NotNegative = 1.0
    """Weight of the hints and attention maps in the loss."""

    @model_validator(mode="after")
    def _self_alone(self) -> Distill:
        if self.assistants and self.teacher == SELF:
            raise ValueError('distill: assistants stand between two models, teacher = "self" is the model itself')
        return self


class Prune(Taught):
    """Remove single weights while training the others (Han et al. 2015). Give one of density, densities, quality."""

    do: Literal["prune"]
    density: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the kernels' weights that is kept, over the whole model or (scope = "local") in each layer."""
    densities: dict[str, Annotated[float, Field(gt=0, le=1)]] | None = Field(default=None, min_length=1)
    """The share kept in each layer, by name; layers that are not named stay whole."""
    quality: Positive | None = None
    """A weight stays if |w| ≥ quality · std(layer), Han's threshold."""
    scope: Literal["global", "local", "sensitivity"] = "global"
    """global ranks all weights together; local keeps the same share in every layer; sensitivity first prunes each layer
    alone and measures, then gives each the share at which all lose alike (Han 2015, Fig. 6)."""
    criterion: Literal["magnitude", "random", "taylor", "obd", "obs"] = "magnitude"
    """obs (optimal brain surgeon, layer by layer) also changes the survivors, so that each layer's output stays close.
    It cuts at once, before the training: ramp and ramp_share have no say, and epochs may be 0."""
    weights: dict[str, Positive] = Field(default={})
    """Factors on a layer's scores, by name: above 1 keeps more of it."""
    ramp: Literal["one-shot", "linear", "cubic"] = "cubic"
    """How the density falls over the first ramp_share of the training steps."""
    ramp_share: Annotated[float, Field(gt=0, le=1)] = 0.6
    phases: Literal["together", "alternate"] = "together"
    """alternate prunes and retrains dense layers while convolutions (and batch norm) are frozen, then the other way, as
    Han does. The epochs are shared: the first half goes to the dense layers, the second to the convolutions."""
    rescale_dropout: bool = True
    """Han's rule: retrain with rate · sqrt(share kept of the connections of the layer before) in Dropout layers."""
    survivors: Literal["keep", "reinitialise"] = "keep"
    """An ablation: train the surviving connections from fresh weights instead of their own."""
    probabilistic: bool = False
    """An ablation: draw what is kept with a probability that grows with its score."""
    remove_dead: bool = True
    """Take out units without any weight left behind or before them (Han 2015, 3.5), as far as no answer changes."""
    regrow: bool = False
    """Pruned weights go on learning and may come back (dynamic network surgery, Guo et al. 2016) until the last fifth
    of the training, which leaves the survivors as they are."""

    @model_validator(mode="after")
    def _one_target(self) -> Prune:
        if sum(given is not None for given in (self.density, self.densities, self.quality)) != 1:
            raise ValueError("prune: give exactly one of density, densities and quality")
        if self.scope == "sensitivity" and self.density is None:
            raise ValueError('prune: scope = "sensitivity" finds the densities itself: give density')
        if self.weights and (self.density is None or self.scope != "global"):
            raise ValueError('prune: weights only count where layers are ranked together: density, scope = "global"')
        return self

    @model_validator(mode="after")
    def _surgery_works(self) -> Prune:
        if self.criterion == "obs" and (self.regrow or self.survivors == "reinitialise"):
            raise ValueError('prune: criterion = "obs" solves for the survivors: leave out regrow and survivors')
        return self

    @model_validator(mode="after")
    def _phases_work(self) -> Prune:
        if self.phases == "alternate" and self.epochs < 2:
            raise ValueError('prune: phases = "alternate" shares the epochs between two phases: give at least 2')
        return self

    @model_validator(mode="after")
    def _regrowth_works(self) -> Prune:
        if self.regrow and not self.epochs:
            raise ValueError("prune: regrow needs epochs: weights come back while the model trains")
        if self.regrow and (self.survivors == "reinitialise" or self.criterion == "random"):
            raise ValueError('prune: regrow goes with neither survivors = "reinitialise" nor criterion = "random"')
        return self


class Slim(Taught):
    """Remove whole channels, so that the model is smaller and faster on any runtime."""

    do: Literal["slim"]
    ratio: Share | None = None
    """Share of the removable channels that goes."""
    widths: dict[str, AtLeastOne] | None = Field(default=None, min_length=1)
    """Instead of ratio: how many channels (units) each named layer is to have; the others stay whole."""
    kind: Literal["channels", "filters"] = "channels"
    """channels cuts the width everywhere; filters only inside blocks, keeping what residual additions carry."""
    scope: Literal["global", "local"] = "local"
    """local removes the same share of every layer; global ranks all channels together."""
    criterion: Literal["l1", "l2", "bn", "taylor", "random"] = "l2"
    round_to: AtLeastOne = 1
    """Keep the nearest multiple of so many channels: 8 or 16 for the tiles of ARM cores."""
    steps: AtLeastOne = 1
    """Remove in so many rounds, training for `epochs` after each."""
    reestimate: bool | None = None
    """Take batch norm statistics anew from 2,048 training pictures (no labels) after each cut. Left out: yes, unless
    epochs = 0, which touches no data (zero-shot)."""

    @model_validator(mode="after")
    def _one_target(self) -> Slim:
        if (self.ratio is None) == (self.widths is None):
            raise ValueError("slim: give exactly one of ratio and widths")
        if self.widths is not None and (self.round_to != 1 or self.scope == "global"):
            raise ValueError("slim: widths are exact: leave out round_to and scope")
        return self


class Factorize(Taught):
    """Replace layers by thin ones in a row: dense ones by SVD, convolutions by Tucker-2, where that saves weights."""

    do: Literal["factorize"]
    error: Share = 0.1
    """How far each layer's kernel may be off, before training: ‖K − K'‖ / ‖K‖."""
    layers: tuple[str, ...] = Field(default=(), strict=False)
    """Which layers, by name; none named: all that get smaller."""


class Head(Taught):
    """Pool the last feature map in the place of the dense layers behind it; the body keeps its weights."""

    do: Literal["head"]
    epochs: AtLeastOne = 5
    """At least 1: the new head has no weights yet."""
    linear: bool = True
    """true: the mean of the map, then a dense layer; false: a 1 x 1 convolution with ReLU, then the mean."""
    freeze_body: bool = False
    """Train the new head alone; the body stays as it is, to the bit."""


TRAINED = (Train, Distill)
FIRST = (*TRAINED, Hash, Binarize)  # they train a model that has no weights yet


def tuning_of(stage: Stage) -> Tuning | None:
    """How a stage trains: the stage itself, or its table ``aware``; None where it does not."""
    return stage.aware if isinstance(stage, Quantize) else stage


Stage = Annotated[
    Train | Distill | Prune | Slim | Factorize | Head | Cluster | Hash | Vector | Binarize | Quantize,
    Field(discriminator="do"),
]


class Limits(Table):
    """What the shipped model must reach (accuracy) or not exceed (the rest)."""

    accuracy: Annotated[float, Field(gt=0, le=1)] | None = None
    size_bytes: AtLeastOne | None = None
    p50_ms: Positive | None = None
    p90_ms: Positive | None = None
    p95_ms: Positive | None = None
    p99_ms: Positive | None = None
    peak_rss_bytes: AtLeastOne | None = None
    joules_per_inference: Positive | None = None


class Recipe(Table):
    """The whole recipe."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    """Lower-case letters, digits, '-', '_' and '.'; names the folder under runs/."""
    seed: Annotated[int, Field(ge=0)] = 1
    data: Data
    model: Model
    stage: tuple[Stage, ...] = Field(min_length=1, strict=False)
    budget: Limits = Limits()

    @model_validator(mode="after")
    def _order_works(self) -> Recipe:
        quantizers = [i for i, stage in enumerate(self.stage) if isinstance(stage, Quantize)]
        if quantizers != [len(self.stage) - 1]:
            raise ValueError('the last stage, and only the last, must be do = "quantize"')
        if self.data.name == "folder" and self.data.path is None:
            raise ValueError('data.name = "folder" needs data.path, the folder with one sub-folder a class')
        if self.data.name != "folder" and self.data.path is not None:
            raise ValueError('data.path only goes with data.name = "folder"')
        if self.model.build is not None and not (isinstance(self.stage[0], FIRST) and self.stage[0].epochs):
            raise ValueError('a model from build = … has no weights yet: begin with do = "train" or do = "distill"')
        if self.model.build is not None and getattr(self.stage[0], "teacher", None) == SELF:
            raise ValueError('teacher = "self": a model from build = … has no weights yet: put do = "train" before it')
        return self
