"""Packed models: from few bytes to a .tflite, by the standard library and NumPy alone (``unpack`` has the format).

What both directions share is here: the encoders (``bramble.packing`` on the host) import these models of the data.
"""
