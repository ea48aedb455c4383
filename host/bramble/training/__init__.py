"""How a model is trained: the one loop, what stands before it, who teaches, and what is watched meanwhile."""
