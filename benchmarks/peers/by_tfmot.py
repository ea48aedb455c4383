"""tfmot 0.8.1's own ways with a trained net; runs in an environment of its own, on Keras 2 (tf-keras).

    python by_tfmot.py JOB.json

The job names the net, the method, epochs, the files of weights and pictures, and where the .tflite goes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

BATCH = 128
RATE = 1e-3
CALIBRATION = 500


def main(job: dict[str, Any]) -> None:
    """Do one job, and print the seconds that it took."""
    with np.load(job["pictures"]) as held:
        pictures, labels = held["pictures"].astype(np.float32) / 255.0, held["labels"]
    net = _net(job["net"])
    with np.load(job["weights"]) as held:
        net.set_weights([held[f"w{i}"] for i in range(len(held.files))])
    start = time.perf_counter()
    made = METHODS[job["method"]](net, pictures, labels, job)
    Path(job["tflite"]).write_bytes(made)
    print(json.dumps({"seconds": time.perf_counter() - start}))


def _net(name: str) -> Any:
    layers = keras.layers
    if name == "lenet300":
        return keras.Sequential([
            layers.Flatten(input_shape=(28, 28, 1)),
            layers.Dense(300, activation="relu", name="fc1"),
            layers.Dense(100, activation="relu", name="fc2"),
            layers.Dense(10, name="fc3"),
        ])  # fmt: skip
    return keras.Sequential([
        layers.Conv2D(20, 5, name="conv1", input_shape=(28, 28, 1)),
        layers.MaxPooling2D(),
        layers.Conv2D(50, 5, name="conv2"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(500, activation="relu", name="fc1"),
        layers.Dense(10, name="fc2"),
    ])  # fmt: skip


def _fit(net: Any, pictures: Any, labels: Any, epochs: int, callbacks: Any = ()) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(RATE), loss)
    net.fit(pictures, labels, BATCH, epochs, verbose=0, callbacks=list(callbacks))


def _pruned(net: Any, pictures: Any, labels: Any, job: dict[str, Any], epochs: int) -> Any:
    """Tfmot's polynomial schedule; one density for all layers, or ``densities`` by name."""
    steps = epochs * (len(pictures) // BATCH)
    api = tfmot.sparsity.keras

    def wrap(layer: Any) -> Any:
        if not layer.get_weights():
            return layer
        density = job["densities"].get(layer.name, job["density"])
        ramp = api.PolynomialDecay(0.5 * (1 - density), 1 - density, 0, int(0.6 * steps), frequency=50)
        return api.prune_low_magnitude(layer, pruning_schedule=ramp)

    wrapped = keras.models.clone_model(net, clone_function=wrap)
    wrapped.set_weights(_spread(wrapped, net))
    _fit(wrapped, pictures, labels, epochs, [api.UpdatePruningStep()])
    return api.strip_pruning(wrapped)


def _spread(wrapped: Any, net: Any) -> list[Any]:
    """The wrapped net's variables, with the plain net's weights where they belong."""
    values = wrapped.get_weights()
    plain = {variable.name: value for variable, value in zip(net.weights, net.get_weights(), strict=True)}
    for place, variable in enumerate(wrapped.weights):
        known = plain.get(variable.name.replace("prune_low_magnitude_", ""))
        if known is not None:
            values[place] = known
    return values


def _clustered(net: Any, pictures: Any, labels: Any, epochs: int, keep_zeros: bool) -> Any:
    api = tfmot.clustering.keras
    start = api.CentroidInitialization.KMEANS_PLUS_PLUS
    if keep_zeros:
        from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

        wrapped = cluster.cluster_weights(
            net, number_of_clusters=16, cluster_centroids_init=start, preserve_sparsity=True
        )
    else:
        wrapped = api.cluster_weights(net, number_of_clusters=16, cluster_centroids_init=start)
    _fit(wrapped, pictures, labels, epochs)
    return api.strip_clustering(wrapped)


def _aware(net: Any, pictures: Any, labels: Any, epochs: int, keep: bool = False) -> bytes:
    api = tfmot.quantization.keras
    if keep:
        noted = api.quantize_annotate_model(net)
        scheme = tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=True)
        aware = api.quantize_apply(noted, scheme)
    else:
        aware = api.quantize_model(net)
    _fit(aware, pictures, labels, epochs)
    converter = tf.lite.TFLiteConverter.from_keras_model(aware)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def _int8(net: Any, pictures: Any) -> bytes:
    """TFLite's post-training quantization, int8 in and out."""
    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture[None]] for picture in pictures[:CALIBRATION])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def _prune(net: Any, pictures: Any, labels: Any, job: dict[str, Any]) -> bytes:
    return _int8(_pruned(net, pictures, labels, job, job["epochs"]), pictures)


def _cluster(net: Any, pictures: Any, labels: Any, job: dict[str, Any]) -> bytes:
    return _int8(_clustered(net, pictures, labels, job["epochs"], keep_zeros=False), pictures)


def _pcqat(net: Any, pictures: Any, labels: Any, job: dict[str, Any]) -> bytes:
    """Prune, cluster, then quantization-aware training that keeps both; the epochs are shared 3:1:1."""
    fifth = max(1, job["epochs"] // 5)
    pruned = _pruned(net, pictures, labels, job, job["epochs"] - 2 * fifth)
    shared = _clustered(pruned, pictures, labels, fifth, keep_zeros=True)
    return _aware(shared, pictures, labels, fifth, keep=True)


METHODS = {
    "ptq": lambda net, pictures, labels, job: _int8(net, pictures),
    "prune": _prune,
    "cluster": _cluster,
    "qat": lambda net, pictures, labels, job: _aware(net, pictures, labels, job["epochs"]),
    "pcqat": _pcqat,
}

if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
