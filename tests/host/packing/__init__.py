"""Tests of the encoders of packed models; the decoders are tested with them, as neither is anything alone."""
