"""The host keys that ssh knows: known_hosts files, plain or hashed names, patterns, revoked keys.

Nothing is ever written there: to trust a host is a person's decision, by ssh itself or by ``bramble board add``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bramble.errors import UsageError


@dataclass(frozen=True)
class Known:
    """The keys of one host, each "type base64"."""

    keys: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types of its keys."""
        return tuple(dict.fromkeys(key.split()[0] for key in self.keys))


def known_hosts(files: Iterable[Path], name: str) -> Known:
    """What ``files`` say of a host; ``name`` is "host", or "[host]:port" where the port is not 22."""
    keys: dict[str, list[str]] = {"": [], "@revoked": []}
    for path in files:
        for marker, names, key in _entries(path):
            if marker in keys and _matches(names, name):
                keys[marker].append(key)
    return Known(tuple(dict.fromkeys(keys[""])), tuple(keys["@revoked"]))


def _entries(path: Path) -> Iterator[tuple[str, str, str]]:
    """Marker, names and key of each line that has them."""
    try:
        text = path.expanduser().read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check the file") from error
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if line.startswith("@") else ""
        if len(words) >= 3 and not words[0].startswith("#"):
            yield marker, words[0], f"{words[1]} {words[2]}"


def _matches(names: str, wanted: str) -> bool:
    """Whether a line is about a host: a hashed name, or patterns of which one fits and no negated one does."""
    if names.startswith("|1|"):
        return _hashed(names, wanted)
    fits = [one.lstrip("!") for one in names.split(",") if _fits(one.lstrip("!").lower(), wanted)]
    return bool(fits) and not any(f"!{one}" in names.split(",") for one in fits)


def _fits(pattern: str, wanted: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), wanted) is not None


def _hashed(names: str, wanted: str) -> bool:
    try:
        salt, expected = (base64.b64decode(part, validate=True) for part in names[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, wanted.encode(), hashlib.sha1).digest(), expected)
