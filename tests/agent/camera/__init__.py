"""Tests of the camera loop."""
