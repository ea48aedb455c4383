"""Versions as numbers, so that they compare as they should: 2.4 is older than 2.34."""

from __future__ import annotations

import re

Version = tuple[int, ...]


def numbers(text: str) -> Version:
    """The first version in a text as "glibc 2.36" or "3.11.2+"; empty where there is none."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def dotted(version: Version) -> str:
    """As a person writes it: (2, 34) → 2.34."""
    return ".".join(str(part) for part in version)
