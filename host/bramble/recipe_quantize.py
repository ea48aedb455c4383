"""The table of a recipe's last stage: how the model is lowered to TFLite."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bramble.tuning import AtLeastOne, Positive, Table, Taught


class Aware(Taught):
    """How quantize trains on, with weights and activations rounded (quantization-aware training)."""

    epochs: AtLeastOne = 5
    settle: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Share of the epochs, at the end, in which batch norm keeps its statistics as they are."""

    @model_validator(mode="after")
    def _dropout_rests(self) -> Aware:
        if self.dropout is not None or self.patience:
            raise ValueError("quantize: aware keeps its best epoch and uses no dropout: leave out patience and dropout")
        return self


class Quantize(Table):
    """Lower to TFLite, the last stage; the result is audited."""

    do: Literal["quantize"]
    scheme: Literal["float32", "float16", "dynamic", "int8", "int16x8"] = "int8"
    backend: Literal["bramble", "ai-edge-quantizer"] = "bramble"
    """Who lowers int8, int16x8 and dynamic: Bramble's own exporter (int8) and TFLite's converter, or Google's
    ai-edge-quantizer, a second opinion from the float32 file with its own calibration
    (pip install 'bramble-edge[ai-edge-quantizer]')."""
    calibration: AtLeastOne = 500
    """How many training pictures set the ranges of the activations (int8, int16x8), and the repairs below."""
    calibrate: Literal["minmax", "percentile", "mse"] = "percentile"
    """int8: ranges from the smallest to the largest value; without the outermost 1/10,000 at each end; or those of
    least squared error between clipping and rounding. int16x8 knows minmax alone, whatever is set here."""
    equalize: bool = False
    """int8: scale channels between neighbouring layers so that both have alike ranges (cross-layer equalization).
    It helps where one input channel has far larger weights than the others of its layer."""
    rounding: Literal["nearest", "adaround"] = "nearest"
    """int8: each weight to the nearest integer; or up or down as each layer's answers come nearest to the float
    model's on the calibration pictures (AdaRound). Layers of shared values are rounded to nearest."""
    correct_bias: bool = False
    """int8: shift biases so that each channel's mean over the calibration pictures is the float model's."""
    keep: tuple[str, ...] = Field(default=(), strict=False)
    """int8: convolutions and dense layers, by name, that stay in float; their neighbours stay integers."""
    aware: Aware | None = None
    """int8: train on with everything rounded as it will be; ranges of activations are trained too."""
    coarse: bool = False
    """int8: scales of kernels with 8 significant bits, biases to an eighth of an output step, for packed files of a few
    KB, which become 2 to 10 % smaller; roundings are no larger than int8's own."""
    max_mean_lsb: Positive = 4.0
    """The audit fails if outputs are off the float model's by more than this, mean over outputs, in output steps.
    With aware they are held against the trained simulation."""

    def repairs(self) -> list[str]:
        """The repairs after training that are asked for, by the names of their keys."""
        asked = {"equalize": self.equalize, "rounding": self.rounding != "nearest", "correct_bias": self.correct_bias}
        return [name for name, wanted in asked.items() if wanted]

    @model_validator(mode="after")
    def _of_int8(self) -> Quantize:
        if self.aware is not None and self.scheme != "int8":
            raise ValueError(f'quantize: aware trains for scheme = "int8", not {self.scheme}')
        if self.keep and self.scheme != "int8":
            raise ValueError(f'quantize: keep is for layers among those of scheme = "int8", not {self.scheme}')
        if self.coarse and self.scheme != "int8":
            raise ValueError(f'quantize: coarse is for scheme = "int8", not {self.scheme}')
        repairs = " and ".join(self.repairs())
        if repairs and self.scheme != "int8":
            raise ValueError(f'quantize: {repairs} is for scheme = "int8", not {self.scheme}')
        if repairs and self.aware is not None:
            raise ValueError(f"quantize: {repairs} repairs what was not trained; leave it out, or leave out aware")
        return self

    @model_validator(mode="after")
    def _of_backend(self) -> Quantize:
        if self.backend == "bramble":
            return self
        if self.scheme not in ("int8", "int16x8", "dynamic"):
            raise ValueError(f"quantize: {self.backend} knows int8, int16x8 and dynamic, not {self.scheme}")
        others = {"keep": self.keep, "aware": self.aware, "coarse": self.coarse}
        own = [*self.repairs(), *(name for name, given in others.items() if given)]
        if own:
            raise ValueError(f'quantize: {" and ".join(own)} needs backend = "bramble", not {self.backend}')
        return self
