"""Boards: the inventory, the ways to reach one, the agent that answers there, and releases."""
