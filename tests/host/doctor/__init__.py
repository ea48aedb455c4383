"""Tests of the quantization doctor."""
