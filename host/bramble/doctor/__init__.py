"""What quantization did to a model, layer by layer, and which repair helps (see examine and repairs)."""
