"""The agent as one small zip of pure Python and its live page, reproducible and named by its sha256.

So host and agent can never be of different versions, and a board needs no pip for our code: ``python3 <zip>`` runs it.
There are two of them: the camera loop is nearly half of the agent, and goes only where a camera's verb is asked for.
Docstrings are left out, their lines are not: a traceback from a board names the lines of the source.
"""

from __future__ import annotations

import ast
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

KINDS = (".py", ".html", ".css", ".js")
EPOCH = (1980, 1, 1, 0, 0, 0)
OF_CAMERA = ("camera", "wire_camera.py")  # what only the whole agent holds
MAIN = "import sys\nfrom bramble_agent.__main__ import main\nsys.exit(main())\n"


@dataclass(frozen=True)
class AgentZip:
    """The zip's bytes and their sha256."""

    data: bytes
    digest: str


@cache
def agent_zip(camera: bool = False) -> AgentZip:
    """Pack the agent that is installed beside this host, with the ``camera`` loop or without."""
    package = resources.files("bramble_agent")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, source in sorted(_sources(package, "bramble_agent", () if camera else OF_CAMERA)):
            kept = undocumented(source) if name.endswith(".py") else source
            archive.writestr(zipfile.ZipInfo(name, EPOCH), kept, zipfile.ZIP_DEFLATED, 9)
        archive.writestr(zipfile.ZipInfo("__main__.py", EPOCH), MAIN)
    data = held.getvalue()
    return AgentZip(data, hashlib.sha256(data).hexdigest())


def _sources(package: Traversable, place: str, without: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Each file of a package and of those in it, some left out: its name in the archive and its text."""
    for entry in package.iterdir():
        name = f"{place}/{entry.name}"
        if entry.name in ("__pycache__", *without):
            continue
        if entry.name.endswith(KINDS):
            yield name, entry.read_text("utf-8")
        elif entry.is_dir():
            yield from _sources(entry, name)


def undocumented(source: str) -> str:
    """Python source with empty lines in place of its docstrings."""
    lines = source.split("\n")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            rest = "" if len(node.body) > 1 or isinstance(node, ast.Module) else " " * first.col_offset + "pass"
            lines[first.lineno - 1 : first.end_lineno] = [rest, *[""] * ((first.end_lineno or 0) - first.lineno)]
    return "\n".join(lines)
