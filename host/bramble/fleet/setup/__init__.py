"""From a blank board to a ready one: which runtime fits it, its wheels, and the proof that it works."""
