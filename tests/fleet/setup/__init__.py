"""Tests of ``fleet/setup``."""
