"""The grid of weights against plain loops, in numpy and in the backend."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from bramble.quantization.grid import fake, integers, on_grid, reduced_axes, scales

LAYERS = {
    "conv": (layers.Conv2D(5, 3), (4, 4, 2), -1),
    "dense": (layers.Dense(5), (7,), -1),
    "transposed": (layers.Conv2DTranspose(5, 3), (4, 4, 2), -2),
    "conv1d": (layers.Conv1D(5, 3), (6, 2), -1),
}


def kernel_of(layer: keras.layers.Layer, shape: tuple[int, ...]) -> np.ndarray:
    """A kernel of noise in the layer's shape."""
    layer.build((None, *shape))
    return np.random.default_rng(0).normal(size=layer.kernel.shape).astype(np.float32)


@pytest.mark.parametrize("kind", LAYERS)
def test_one_scale_an_output_channel(kind: str) -> None:
    """Each output channel's largest weight becomes 127 or −127 on its own scale, whatever axis channels lie on."""
    layer, shape, axis = LAYERS[kind]
    kernel = kernel_of(layer, shape)
    steps = scales(kernel, reduced_axes(layer))
    whole = integers(kernel, steps)
    assert steps.size == 5
    for channel in range(5):
        mine, step = np.take(kernel, channel, axis).ravel(), float(steps.ravel()[channel])
        assert step == pytest.approx(max(abs(float(w)) for w in mine) / 127, rel=1e-6)
        assert np.take(whole, channel, axis).ravel().tolist() == [round(float(w) / step) for w in mine]


def test_depthwise_has_a_scale_for_each_output() -> None:
    """3 channels with multiplier 2 have 6 scales."""
    layer = layers.DepthwiseConv2D(3, depth_multiplier=2)
    kernel = kernel_of(layer, (4, 4, 3))
    steps = scales(kernel, reduced_axes(layer))
    assert steps.shape == (1, 1, 3, 2)
    assert np.allclose(steps[0, 0], np.abs(kernel).max((0, 1)) / 127)


def test_channel_of_zeros() -> None:
    """Zeros stay zeros: nothing is divided by 0."""
    kernel = np.array([[0.0, 1.0], [0.0, -0.5]], np.float32)
    assert scales(kernel, (0,)).tolist() == [[1.0, pytest.approx(1 / 127)]]
    assert integers(kernel, scales(kernel, (0,))).tolist() == [[0, 127], [0, -64]]
    assert np.asarray(fake(keras.ops.convert_to_tensor(kernel), (0,)))[:, 0].tolist() == [0.0, 0.0]


def test_grid_is_its_own_grid() -> None:
    """What lies on the grid is not moved again: the same integers, hence the converter's."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 16, 32)).astype(np.float32)
    once = on_grid(kernel, (0, 1, 2))
    steps = scales(kernel, (0, 1, 2))
    assert np.abs(once - kernel).max() <= steps.max() / 2 * 1.001
    assert np.array_equal(integers(once, scales(once, (0, 1, 2))), integers(kernel, steps))
    assert np.allclose(np.asarray(fake(keras.ops.convert_to_tensor(kernel), (0, 1, 2))), once, atol=1e-6)


def test_withered_channel() -> None:
    """A channel of less than 1/4096 of the largest weight is zeros; one just above keeps all its steps."""
    kernel = np.array([[1.0, 1.01 / 4096, 0.99 / 4096], [-0.5, 0.0, 1e-12]], np.float32)
    steps = scales(kernel, (0,))
    assert steps[0].tolist() == pytest.approx([1 / 127, 1.01 / 4096 / 127, 1.0])
    assert integers(kernel, steps).tolist() == [[127, 127, 0], [-64, 0, 0]]
    once = on_grid(kernel, (0,))
    assert np.array_equal(integers(once, scales(once, (0,))), integers(kernel, steps))
    assert np.allclose(np.asarray(fake(keras.ops.convert_to_tensor(kernel), (0,))), once, rtol=1e-5, atol=0)


def test_coarse_scales() -> None:
    """8 significant bits, the nearest; the largest weight still becomes 127; the backend's are the same."""
    kernel = np.random.default_rng(3).normal(size=(40, 300)).astype(np.float32)
    exact, steps = scales(kernel, (0,)), scales(kernel, (0,), coarse=True)
    assert (steps.view(np.uint32) & 0xFFFF).max() == 0
    assert len(np.unique(steps)) < 200
    assert np.abs(steps / exact - 1).max() <= 1 / 256
    assert np.abs(integers(kernel, steps)).max(0).tolist() == [127] * 300
    on = integers(kernel, steps) * steps
    assert np.abs(on - kernel).max() <= 0.501 * steps.max()
    assert np.allclose(np.asarray(fake(keras.ops.convert_to_tensor(kernel), (0,), coarse=True)), on, atol=1e-7)
    assert np.array_equal(scales(on, (0,)), steps)  # what the converter finds is the coarse scale itself
    assert np.array_equal(integers(on_grid(kernel, (0,)), steps), integers(kernel, exact))
