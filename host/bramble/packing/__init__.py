"""Packed models: the encoders of what ``bramble_agent.packed`` unpacks."""
