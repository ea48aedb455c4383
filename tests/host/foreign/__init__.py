"""Tests of `bramble import`."""
