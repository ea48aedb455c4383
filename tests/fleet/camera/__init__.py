"""Tests of bramble.fleet.camera."""
