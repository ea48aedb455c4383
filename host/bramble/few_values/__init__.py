"""Kernels with few values: codebooks, buckets and signs, and how a model trains while its weights share them."""
