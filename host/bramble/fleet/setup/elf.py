"""What a shared library needs of the system it is loaded on, read from the file itself.

A wheel's name promises a glibc ("manylinux_2_27"); its libraries may need another, and pip believes the name. The
loader believes ``.gnu.version_r``, the table of the symbol versions that a library was linked against: GLIBC_2.34 is
there if one of its functions came with glibc 2.34. So this table is read (by pyelftools), and of each set the highest
version kept.

Not read: which symbols (a version says it), libraries by name (DT_NEEDED), what a library opens while it runs.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from bramble.errors import UsageError
from bramble.fleet.versions import Version, numbers

MAGIC = b"\x7fELF"
MACHINES = {"EM_AARCH64": "aarch64", "EM_ARM": "armv7l", "EM_X86_64": "x86_64"}  # as wheels name them
VERSION = re.compile(r"([A-Z]+)_(\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class Needs:
    """``machine`` as wheels name it, pointers of ``bits``, and the highest version of each set: {"GLIBC": (2, 34)}."""

    machine: str
    bits: int
    versions: dict[str, Version] = field(default_factory=dict)


def is_elf(data: bytes) -> bool:
    """Whether these are the first bytes of a library or a program."""
    return data.startswith(MAGIC)


def needs(library: bytes) -> Needs:
    """What the ELF file with this content needs. Raises UsageError where it is none, or damaged."""
    try:
        elf = ELFFile(io.BytesIO(library))
        highest: dict[str, Version] = {}
        for name in _version_names(elf):
            match = VERSION.fullmatch(name)
            if match:
                found = numbers(match[2])
                highest[match[1]] = max(found, highest.get(match[1], found))
        machine = elf["e_machine"]
        return Needs(MACHINES.get(machine, str(machine)), elf.elfclass, highest)
    except (ELFError, ValueError, KeyError, AttributeError, TypeError, IndexError, OverflowError) as error:
        raise UsageError(f"not a library that can be read: {error}", "the file is damaged: fetch it again") from error


def _version_names(elf: ELFFile) -> list[str]:
    section = elf.get_section_by_name(".gnu.version_r")
    if not isinstance(section, GNUVerNeedSection):
        return []
    return [str(one.name) for _, versions in section.iter_versions() for one in versions]
