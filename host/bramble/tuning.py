"""How stages train: the tables of a recipe that the stages in ``recipe`` are built on, and the kinds of numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
SELF = "self"  # as a teacher: the model as it is before the stage


class Table(BaseModel):
    """A table of a recipe: frozen, strict about unknown keys and types; its numbers are finite."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Augment(Table):
    """Random changes to training pictures."""

    shift: Annotated[int, Field(ge=0)] = 0
    """Shift by up to so many whole pixels in each direction."""
    rotate: NotNegative = 0.0
    """Rotate by up to so many degrees."""
    zoom: NotNegative = 0.0
    """Zoom by up to this share."""
    contrast: NotNegative = 0.0
    """Change the contrast by up to this share."""
    flip: bool = False
    """Mirror left and right."""


class Tuning(Table):
    """How a stage trains: the knobs that every training stage shares. Adam; the loss is the cross-entropy."""

    epochs: AtLeastOne = 10
    batch_size: AtLeastOne = 128
    learning_rate: Positive = 1e-3
    schedule: Literal["constant", "cosine", "hold", "step"] = "cosine"
    """cosine falls to 1 % at the end; hold stays for 3/5 of the epochs, then falls as cosine; step divides by 10 after
    1/2 and 3/4."""
    l1: NotNegative = 0.0
    """Weight of the sum of |w| over all kernels in the loss."""
    l2: NotNegative = 0.0
    """Weight of the sum of w² over all kernels in the loss."""
    hanson_pratt: NotNegative = 0.0
    """Weight of the sum of |w|/(1+|w|) over all kernels: biased weight decay (Hanson & Pratt 1989)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Rate for all of the model's Dropout layers."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop after so many epochs without a better held-out loss; 0 runs them all."""
    keep_zeros: bool = True
    """Zeros that an earlier prune left in the kernels stay zero; false lets these weights learn again."""
    keep_shared: bool = True
    """Values that an earlier cluster, hash, vector or binarize shares stay shared; false lets weights part again."""
    augment: Augment = Augment()


class Taught(Tuning):
    """A training stage that may have a teacher; the loss is then alpha·T²·KL(teacher, student) + (1−alpha)·CE."""

    epochs: Annotated[int, Field(ge=0)] = 5
    """0 changes the model without training it afterwards."""
    learning_rate: Positive = 1e-4
    teacher: str | None = None
    """A recipe of the zoo, a path to one, a .keras file, or "self": the model as it is before this stage."""
    temperature: Positive = 4.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
