"""The tables of a recipe for stages that leave few values in a kernel: cluster, hash, vector, binarize."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bramble.tuning import AtLeastOne, Positive, Share, Taught

Bits = Annotated[int, Field(ge=1, le=8)]


class Cluster(Taught):
    """Give the weights of each layer few shared values by k-means, then fine-tune the values (Han et al. 2016)."""

    do: Literal["cluster"]
    clusters: Annotated[int, Field(ge=2, le=256)] | None = None
    """How many values each layer's weights have, besides the zeros of an earlier prune."""
    bits: dict[str, Bits] | None = Field(default=None, min_length=1)
    """Instead of clusters: 2 to the power of so many values in each layer, by name; the others stay as they are."""
    start: Literal["linear", "density", "random"] = "linear"
    """Where k-means begins: linear spaces the values evenly from the least weight to the greatest, which keeps the few
    large ones; density takes quantiles of the weights; random takes weights by chance."""

    @model_validator(mode="after")
    def _one_target(self) -> Cluster:
        if (self.clusters is None) == (self.bits is None):
            raise ValueError("cluster: give exactly one of clusters and bits")
        return self


class Hash(Taught):
    """Draw each layer's weights from few trained values by a hash of their place (HashedNets, Chen et al. 2015)."""

    do: Literal["hash"]
    compression: Share | None = None
    """Values for each layer, as a share of its weights."""
    buckets: dict[str, AtLeastOne] | None = Field(default=None, min_length=1)
    """Instead of compression: how many values each layer has, by name; the others stay as they are."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of the hash; each layer has its own from it."""
    start: Literal["member", "mean"] = "member"
    """member begins each value as one of its weights, whose spread an initialiser has chosen: for a new net. mean
    begins nearest to the kernel as it is."""
    epochs: Annotated[int, Field(ge=0)] = 20
    learning_rate: Positive = 1e-3

    @model_validator(mode="after")
    def _one_target(self) -> Hash:
        if (self.compression is None) == (self.buckets is None):
            raise ValueError("hash: give exactly one of compression and buckets")
        return self


class Vector(Taught):
    """Product quantization of dense layers: codebooks of short runs of weights (Gong et al. 2014)."""

    do: Literal["vector"]
    block: AtLeastOne = 4
    """How many neighbouring weights of a row are coded together."""
    codewords: Annotated[int, Field(ge=2, le=65536)] = 64
    """How many runs each block of columns chooses from."""
    layers: tuple[str, ...] = Field(default=(), strict=False)
    """Which dense layers, by name; none named: all of them."""


class Binarize(Taught):
    """Train with kernels of two values, ±a, over real shadow weights (BinaryConnect, Courbariaux et al. 2015)."""

    do: Literal["binarize"]
    rule: Literal["deterministic", "stochastic", "ternary"] = "deterministic"
    """deterministic takes the sign; stochastic draws it while training, likelier as the weight is nearer, and takes the
    sign in the end; ternary has zeros too (Ternary Weight Networks, Li et al. 2016)."""
    keep: tuple[str, ...] = Field(default=(), strict=False)
    """Layers that stay real, by name, the first or the last for one."""
    scale: Literal["glorot", "one"] = "glorot"
    """The value a: glorot is √(1.5 / (inputs + outputs)), at which a learning rate does what the paper's scaled one
    does at one. Ternary finds a itself."""
    loss: Literal["cross-entropy", "square-hinge"] = "cross-entropy"
    """square-hinge is the paper's, of an L2-SVM on the logits."""
    reestimate: bool = True
    """Take batch norm statistics anew from 2,048 training pictures in the end."""
    epochs: Annotated[int, Field(ge=0)] = 20
    learning_rate: Positive = 1e-3
