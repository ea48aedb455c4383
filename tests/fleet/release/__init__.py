"""Tests of ``fleet/release``."""
