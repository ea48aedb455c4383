"""A foreign .tflite and its labels become a bundle: ``bramble import``."""
