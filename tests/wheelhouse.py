"""Wheels for tests, without a network: packages of this environment packed again, and small ones made by hand."""

from __future__ import annotations

import platform
import re
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
AARCH64 = 183  # of e_machine
NOT_PACKED = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "libLiteRtWebGpuAccelerator.so"}
FOLDERS_NOT_PACKED = {"..", "__pycache__", "tests", "f2py", "include", "vendors", "aot", "tools"}  # nobody imports them


def repack(name: str, folder: Path, pure: bool = False) -> Path:
    """An installed package as a wheel of this Python and machine, without what running a model never needs."""
    dist = metadata.distribution(name)
    tags = "py3-none-any" if pure else f"{TAG}-{TAG}-linux_{platform.machine()}"
    target = folder / f"{name.replace('-', '_')}-{dist.version}-{tags}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in dist.files or []:
            if not ({file.name} & NOT_PACKED or FOLDERS_NOT_PACKED.intersection(file.parts) or file.suffix == ".pyi"):
                archive.write(str(file.locate()), str(file))
                names.append(str(file))
        info = next(one for one in names if one.endswith("/METADATA")).rpartition("/")[0]
        archive.writestr(f"{info}/RECORD", "".join(f"{one},,\n" for one in [*names, f"{info}/RECORD"]))
    return target


def make_wheel(folder: Path, file: str, *libraries: tuple[str, bytes]) -> Path:
    """A wheel of that file name with these files beside the least metadata that pip wants."""
    name, version, *_ = file.split("-")
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    members = {
        **dict(libraries),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\n",
    }
    members[f"{info}/RECORD"] = "".join(f"{one},,\n" for one in [*members, f"{info}/RECORD"]).encode()
    with zipfile.ZipFile(folder / file, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return folder / file


def library(glibc: str = "2.14", machine: int | None = None) -> bytes:
    """A small real library of this environment, changed to need that glibc (2.xx) at most, and for another machine."""
    path = next((Path(np.__file__).parent / "_core").glob("_umath_tests*.so"))
    data = re.sub(rb"GLIBC_2\.\d\d\0", f"GLIBC_{glibc}\0".encode(), path.read_bytes())
    return data if machine is None else data[:18] + machine.to_bytes(2, "little") + data[20:]
