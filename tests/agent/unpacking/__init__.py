"""Tests of what unpacks models on a board."""
