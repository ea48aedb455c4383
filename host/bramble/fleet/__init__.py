"""Boards: the inventory, the ways to reach one, the agent that answers there, and releases.

    ssh/        the way over SSH; the other is local.py, connect.py chooses
    probe/      one look at a board        findings/   what it means for a person
    setup/      a runtime onto the board   release/    a bundle onto the board

No package re-exports anything: a module is imported by its own name.
"""
