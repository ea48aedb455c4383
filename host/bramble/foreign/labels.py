"""The names of a foreign model's classes: a file with one a line, or written out, ``nobody,person``.

Accepted as they are found in the wild: numbered lines ("0 person", "16: bird"), a first line that stands for none of
the classes (a detector's "???"), a byte order mark. Refused: no names, an empty line, a name twice in a short list. In
long ones (ImageNet) a name may stand for two things: crane, the bird and the machine.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bramble.errors import UsageError

LONG = 100  # from so many names on, one that occurs twice is taken for two things
MOST = 1_000_000
NUMBERED = re.compile(r"(\d{1,6})(?:\s*[:,]\s*|\s+)(\S.*)")
NONE = frozenset({"???", "background", "unlabeled", "none"})  # what a detector's first line is called
BACKGROUND = "background"
HOW = "--labels FILE with one name a line, or --labels nobody,person"


def read_labels(given: str) -> tuple[str, ...]:
    """The names in the file ``given``, or written out with commas. Raises UsageError for what is no list of names."""
    path = Path(given).expanduser()
    if path.is_file():
        return _of_text(_text(path), str(path))
    if path.is_dir() or "/" in given or path.suffix in (".txt", ".csv"):
        raise UsageError(f"--labels: there is no file {given}", HOW)
    return _checked([name.strip() for name in given.split(",")], "--labels", "name")


def labels_inside(model: bytes) -> tuple[str, ...]:
    """The names that a model with metadata carries (a .zip behind the .tflite); () where it does not."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith(".txt"))
            return _of_text(archive.read(name).decode("utf-8-sig"), f"{name} in the model")
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError):
        return ()


def of_classes(labels: Sequence[str], classes: int, background: bool) -> tuple[str, ...]:
    """A classifier's names, as many as it answers; with ``background`` one more before them. Raises UsageError."""
    held = (BACKGROUND, *labels) if background else tuple(labels)
    if len(held) == classes:
        return held
    if len(held) == classes - 1 and not background:
        hint = "the model has one class more: is it a background, the first? then --background"
    else:
        hint = twice(held) or "give it the model's own labels, in its own order"
    raise UsageError(f"{len(held):,} labels for a model of {classes:,} classes", hint)


def of_detections(labels: Sequence[str], classes: int) -> tuple[str, ...]:
    """A detector's names; a first line that stands for none of its classes is left out. Raises UsageError."""
    held = tuple(labels)
    if len(held) == classes + 1 and held[0].lower() in NONE:
        return held[1:]
    if len(held) >= classes or not classes:
        return held
    hint = twice(held) or "classes without a name are numbered lines that leave numbers out: 0 person, 2 car"
    raise UsageError(f"{len(held):,} labels for a detector of {classes:,} classes", hint)


def twice(labels: Sequence[str]) -> str:
    """Which names occur more than once, in words; "" where none does."""
    found = [name for name, count in Counter(labels).items() if count > 1]
    return f"named more than once: {', '.join(repr(name) for name in found[:5])}" if found else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error.reason}", "save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _of_text(text: str, where: str) -> tuple[str, ...]:
    return _checked(_renumbered([line.strip() for line in text.rstrip().splitlines()]), where, "line")


def _renumbered(lines: list[str]) -> list[str]:
    """Lines that are all numbered, upwards from 0 or 1: the names at their places, "#7" where a number is left out."""
    found = [NUMBERED.fullmatch(line) for line in lines]
    pairs = [(int(one[1]), one[2]) for one in found if one]
    numbers = [number for number, _ in pairs]
    if len(pairs) < max(1, len(lines)) or numbers != sorted(set(numbers)) or numbers[0] > 1:
        return lines
    named = dict(pairs)
    return [named.get(place, f"#{place}") for place in range(numbers[0] and 1, numbers[-1] + 1)]


def _checked(names: list[str], where: str, unit: str) -> tuple[str, ...]:
    if not any(names):
        raise UsageError(f"{where}: there are no labels", HOW)
    if not all(names):
        raise UsageError(f"{where}: {unit} {names.index('') + 1} is empty", "every class needs a name")
    if len(names) > MOST:
        raise UsageError(f"{where}: {len(names):,} labels", HOW)
    if len(names) < LONG and twice(names):
        raise UsageError(f"{where}: {twice(names)}", "every class needs a name of its own")
    return tuple(names)
