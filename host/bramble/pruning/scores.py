"""How much each weight matters: the criteria by which pruning ranks, one function a criterion.

magnitude   |w|                          Han et al. 2015, 1506.02626
random      uniform                      the control
taylor      |w · ∂L/∂w|                  Molchanov et al. 2017, 1611.06440
obd         ½ · h · w²                   LeCun, Denker, Solla 1990, h = E[Σ over outputs k of (∂z_k/∂w)²]

They rank the kernels' own weights; where the forward pass sees these masked, gradients are those of the masked ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.datasets.types import Images
from bramble.held.seen import own_kernel
from bramble.training.front import front
from bramble.training.softmax import logits
from bramble.tuning import Augment
from bramble_agent.wire import Pixels

Scores = list[NDArray[np.float64]]
BATCH = 64
DRAWS = 8  # of random signs: 2,048 pictures know a curvature to about 9 %


def magnitude(layers: Sequence[keras.Layer]) -> Scores:
    """|w| of each kernel."""
    return [np.abs(np.asarray(own_kernel(layer), dtype=np.float64)) for layer in layers]


def random(layers: Sequence[keras.Layer], seed: int) -> Scores:
    """A uniform number for each weight."""
    generator = np.random.default_rng(seed)
    return [generator.random(own_kernel(layer).shape) for layer in layers]


def taylor(model: keras.Model, layers: Sequence[keras.Layer], images: Images, pixels: Pixels) -> Scores:
    """|w · g| with g the gradient of the mean loss over ``images``."""
    lossy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    sizes = [min(BATCH, len(images) - start) for start in range(0, len(images), BATCH)]
    batches = zip(*_gradients(model, layers, images, pixels, images.labels, lossy), strict=True)
    mean = [np.average(np.stack(rows), axis=0, weights=sizes) for rows in batches]
    return [np.abs(np.asarray(own_kernel(layer)) * grad) for layer, grad in zip(layers, mean, strict=True)]


def obd(model: keras.Model, layers: Sequence[keras.Layer], images: Images, pixels: Pixels) -> Scores:
    """½ · h · w² with h the Gauss-Newton diagonal of half the squared error, LeCun's loss, on the logits z.

    (Of the cross-entropy it would say nothing: a trained net is sure of its answers, and its curvature there is 0.)
    Estimated without bias: for independent random signs s, E[(∂ Σ s_nk·z_nk / ∂w)²] = Σ over n, k of (∂z_nk/∂w)²
    (Bekas, Kokiopoulou, Saad 2007).
    """
    generator = np.random.default_rng(0)
    total = [np.zeros(own_kernel(layer).shape) for layer in layers]
    for _ in range(DRAWS):
        signs = generator.choice([-1.0, 1.0], (len(images), model.output_shape[-1])).astype(np.float32)
        for grads in _gradients(model, layers, images, pixels, signs, lambda s, z: keras.ops.sum(s * z)):
            total = [sum_ + np.square(grad) for sum_, grad in zip(total, grads, strict=True)]
    kernels = [np.asarray(own_kernel(layer), dtype=np.float64) for layer in layers]
    return [0.5 * sum_ / (DRAWS * len(images)) * np.square(w) for sum_, w in zip(total, kernels, strict=True)]


def _gradients(
    model: keras.Model, layers: Sequence[keras.Layer], images: Images, pixels: Pixels, wanted: Any, loss: Any
) -> Any:
    """The gradients of ``loss(wanted, logits)`` with respect to the kernels, batch by batch."""
    import tensorflow as tf

    before = front(Augment(), pixels)
    variables = [own_kernel(layer).value for layer in layers]

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def gradients(pictures: Any, part: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(variables)  # frozen ones too
            found = loss(part, logits(model, model(before(pictures), training=False)))
        return tape.gradient(found, variables)

    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        yield [np.asarray(grad, dtype=np.float64) for grad in gradients(images.pixels[part], wanted[part])]
