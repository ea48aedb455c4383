"""Zeros in kernels: which weights go, how they stay gone while a model trains, and what that leaves of it."""
