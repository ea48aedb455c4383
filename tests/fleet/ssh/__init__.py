"""Tests of ``fleet/ssh``."""
