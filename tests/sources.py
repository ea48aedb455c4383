"""The project's modules as syntax trees: what they import and where, what functions they have."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = {"bramble": ROOT / "host", "bramble_agent": ROOT / "device", "bramble_zoo": ROOT / "models"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One import; ``at_start`` if importing the module runs it (not in a function, not for type checkers only)."""

    target: str
    at_start: bool
    line: int


@dataclass(frozen=True)
class Source:
    """One module."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Lines of the file."""
        return len(self.text.splitlines())

    def functions(self) -> list[Function]:
        """All functions and methods, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]


@functools.cache
def sources() -> dict[str, Source]:
    """Every module of the three packages by its dotted name; a package by its own."""
    found = {}
    for package, top in PACKAGES.items():
        for path in sorted((top / package).rglob("*.py")):
            parts = path.relative_to(top).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            found[name] = Source(name, path, text, ast.parse(text))
    return found


def imports(source: Source) -> list[Import]:
    """All imports of a module; of ours the module itself, of others the top-level package; no standard library."""
    found = []
    for node, at_start in _statements(source.tree, True):
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            base = _absolute(source, node)
            names = [f"{base}.{name}" if f"{base}.{name}" in sources() else base for name in names]
        for name in dict.fromkeys(names):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names:
                found.append(Import(name if top in PACKAGES else top, at_start, node.lineno))
    return found


def all_imports() -> list[tuple[Source, Import]]:
    """Every import of every module."""
    return [(source, one) for source in sources().values() for one in imports(source)]


def told(source: Source, one: Import, why: str) -> str:
    """One breach in one line."""
    return f"{source.path.name}:{one.line}: {source.name} imports {one.target}: {why}"


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return str(node.module)
    package = source.name.split(".") if source.path.name == "__init__.py" else source.name.split(".")[:-1]
    above = package[: len(package) - (node.level - 1)]
    return ".".join([*above, *([node.module] if node.module else [])])


def _statements(tree: ast.AST, at_start: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, at_start
        else:
            later = isinstance(node, (Function, ast.Lambda)) or _for_type_checkers(node)
            yield from _statements(node, at_start and not later)


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
