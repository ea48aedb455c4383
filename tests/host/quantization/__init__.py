"""Tests of the exporter and what it stands on."""
