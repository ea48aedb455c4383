"""The papers' table as Markdown, from the committed results of each seed: ``python benchmarks/papers/table.py``."""

from __future__ import annotations

from claims import UNAIDED, all_claims

NOTE = (
    f'Rows "{UNAIDED}" share these two rules with the paper; what else differs: a cubic ramp in place of rounds, one '
    "ranking over all layers with factors on layers, and L2 and dropout of our own choice while retraining."
)


def table() -> str:
    """One line a claim, and a note; rows without results say so."""
    head = ["| paper; net | claim | target | ours | verdict |", "|---|---|---|---|---|"]
    rows = (f"| {one.paper} | {one.claim} | {one.target} | {one.ours} | {one.verdict} |" for one in all_claims())
    return "\n".join([*head, *rows, "", NOTE])


if __name__ == "__main__":
    print(table())
