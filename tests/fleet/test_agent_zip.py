"""The agent's zip: the same bytes each time, named by them, and runnable by a bare Python."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bramble_agent
from bramble.fleet.agent_zip import agent_zip, undocumented

SOURCE = Path(bramble_agent.__file__).parent
OF_CAMERA = {"camera", "wire_camera.py"}


def test_named_by_its_sha256() -> None:
    """The digest is the sha256 of the bytes."""
    packed = agent_zip()
    assert packed.digest == hashlib.sha256(packed.data).hexdigest()


def test_reproducible() -> None:
    """Another process, in another time zone and with another hash seed, packs the same bytes."""
    code = "from bramble.fleet.agent_zip import agent_zip; print(agent_zip().digest)"
    env = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    told = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    assert told.strip() == agent_zip().digest


@pytest.mark.parametrize("camera", [False, True])
def test_holds_the_sources_and_nothing_else(camera: bool) -> None:
    """Every module of the agent (the camera's and its page only in the whole one) is in it, dated early."""
    with zipfile.ZipFile(io.BytesIO(agent_zip(camera).data)) as archive:
        assert archive.testzip() is None
        held = {name: archive.read(name).decode() for name in archive.namelist()}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert held.pop("__main__.py").startswith("import sys")
    assert "bramble_agent/unpacking/unpack.py" in held
    page = [path for path in (SOURCE / "camera" / "page").iterdir() if path.suffix in (".html", ".css", ".js")]
    assert len(page) == 4
    files = [path for path in [*SOURCE.rglob("*.py"), *page] if camera or not OF_CAMERA & set(path.parts)]
    assert held.keys() == {f"bramble_agent/{path.relative_to(SOURCE)}" for path in files}
    for path in set(files) & set(page):
        assert held[f"bramble_agent/{path.relative_to(SOURCE)}"] == path.read_text("utf-8")
    for path in set(files) - set(page):
        assert code(held[f"bramble_agent/{path.relative_to(SOURCE)}"]) == code(path.read_text("utf-8")), path.name


def code(source: str) -> list[str]:
    """Every statement but docstrings and the ``pass`` in place of one, with its line."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt))
    told = (node for node in nodes if not isinstance(node, ast.Pass) and not is_text(node))
    return [f"{node.lineno} {type(node).__name__} {header(node)}" for node in told]


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a string alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def header(node: ast.stmt) -> str:
    """A statement without those in it, and where its expressions stand."""
    kept = {name: value for name, value in ast.iter_fields(node) if name not in ("body", "orelse", "finalbody")}
    return str({
        name: ast.dump(value, include_attributes=True) if isinstance(value, ast.AST) else repr(value)
        for name, value in kept.items()
        if not isinstance(value, list)
    })  # fmt: skip


def test_docstrings_become_empty_lines() -> None:
    """Where a body is its docstring alone, pass stands for it; strings that are no docstrings stay."""
    source = (
        '''"""One."""\n\nclass A:\n    """Two\n    lines."""\n\n\ndef f():\n    """Three."""\n    return """four"""\n'''
    )
    assert undocumented(source) == '''\n\nclass A:\n    pass\n\n\n\ndef f():\n\n    return """four"""\n'''


def test_small() -> None:
    """It is small enough for a slow radio link: below 68 KB, 22 of them the unpacking; the camera has its own."""
    assert len(agent_zip().data) < 68_000
    assert len(agent_zip(camera=True).data) < 190_000
