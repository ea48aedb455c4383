"""Widths by layer name, as numbers of channel groups that are to be left: what can be had, and why the rest cannot.

A layer may hold a group several times (behind a depthwise multiplier) and share it with others (a residual sum): then
its width comes in steps, and the layers of one group must be given widths that fit together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bramble.errors import RecipeError
from bramble.graph.channels import Channels

Names = tuple[str, ...]
Sets = dict[Names, list[int]]


def named(sets: Sets, wanted: Mapping[str, int]) -> Sets:
    """The removable groups of the layers in ``wanted``, under the names of all of them that have those very groups."""
    mine = {name: [root for names, roots in sets.items() if name in names for root in roots] for name in wanted}
    return {tuple(other for other in mine if mine[other] == roots): roots for roots in mine.values() if roots}


def groups_left(found: Channels, sets: Sets, wanted: Mapping[str, int]) -> dict[Names, int]:
    """How many groups of each of ``named`` leave the ``wanted`` widths.

    Raises RecipeError for unknown layers, and for widths that cannot be had.
    """
    rows = {use.layer.name: [int(one) for one in found.roots(use.out)] for use in found.uses if use.into is not use.out}
    for name in wanted:
        if name not in rows:
            raise RecipeError(f"slim: the model has no layer {name!r} with a width", f"its layers: {', '.join(rows)}")
        if not named(sets, {name: wanted[name]}):
            _demand_whole(found, name, wanted[name], len(rows[name]))
    left: dict[Names, int] = {}
    for names, roots in named(sets, wanted).items():
        counts = {name: _groups(name, wanted[name], rows[name], set(roots)) for name in names}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{name} = {wanted[name]}" for name in names)
            raise RecipeError(f"slim: widths {told}: these layers are cut together", "give widths that fit together")
        left[names] = counts[names[0]]
    _demand_apart(named(sets, wanted))
    return left


def _groups(name: str, width: int, row: list[int], removable: set[int]) -> int:
    """How many of the removable groups are left when the layer has ``width`` of its channels."""
    held = Counter(root for root in row if root in removable)
    fixed, each = len(row) - held.total(), set(held.values())
    if width > len(row):
        raise RecipeError(f"slim: widths {name} = {width}: the layer has {len(row)}", "give at most that")
    step = each.pop()
    groups, rest = divmod(width - fixed, step)
    if each or rest or groups < 1:
        least = f"{fixed} of its channels stay, the others go {step} at a time"
        raise RecipeError(f"slim: widths {name} = {width} cannot be had", least)
    return groups


def _demand_whole(found: Channels, name: str, width: int, has: int) -> None:
    """Raise RecipeError where a layer that cannot be cut is to change."""
    if width != has:
        use = next(use for use in found.uses if use.layer.name == name and use.into is not use.out)
        frozen = found.frozen_roots()
        why = next((frozen[root] for root in found.roots(use.out).tolist() if root in frozen), "a sum carries it")
        raise RecipeError(f"slim: widths {name} = {width}: its {has} channels stay", f"the reason: {why}")


def _demand_apart(sets: Sets) -> None:
    """Raise RecipeError where two layers have some groups in common, and others not."""
    seen: dict[int, Names] = {}
    for names, roots in sets.items():
        for root in roots:
            other = seen.setdefault(root, names)
            if other != names:
                said = f"slim: widths: {other[0]} and {names[0]} share some of their channels, not all"
                raise RecipeError(said, "give the width of one of them")
