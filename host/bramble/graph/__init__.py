"""Keras graphs as graphs: what hangs together, and how one is rebuilt smaller or otherwise."""
