"""Tests of ``fleet/findings``."""
