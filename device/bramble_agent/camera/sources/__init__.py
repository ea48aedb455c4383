"""Where frames come from: one file a kind of source, chosen by a URL-like string in ``open.py``."""
