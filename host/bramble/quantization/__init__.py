"""Full-integer quantization: the grid of weights, where activations are rounded, and the one exporter (see export)."""
