"""What is done with events: one file a kind of action, chosen by a URL-like string in ``open.py``."""
