"""Tests of ``fleet/probe``."""
