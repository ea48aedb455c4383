"""Packed models: the encoders of what ``bramble_agent.unpacking.unpack`` unpacks."""
