"""The papers' table as Markdown, from the committed results of each seed: ``python benchmarks/papers/table.py``."""

from __future__ import annotations

from claims import all_claims


def table() -> str:
    """One line a claim; rows without results say so."""
    head = ["| paper; net | claim | target | ours | verdict |", "|---|---|---|---|---|"]
    rows = (f"| {one.paper} | {one.claim} | {one.target} | {one.ours} | {one.verdict} |" for one in all_claims())
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    print(table())
