"""The house style in numbers: sizes of files and functions, docstrings, broad excepts."""

from __future__ import annotations

import ast
import statistics

from sources import Function, Source, sources


def length(function: Function) -> int:
    """Lines of a function, its docstring included."""
    return (function.end_lineno or 0) - function.lineno + 1


def parameters(function: Function) -> int:
    """Parameters, without self and cls."""
    given = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return len([one for one in given if one.arg not in ("self", "cls")])


def test_sizes() -> None:
    """Files: median ≤ 120 lines, none over 300; functions: median ≤ 10, p90 ≤ 35, none over 60, ≤ 6 parameters."""
    files = {source.name: source.lines for source in sources().values()}
    functions = {f"{s.name}.{f.name}:{f.lineno}": f for s in sources().values() for f in s.functions()}
    lengths = {name: length(function) for name, function in functions.items()}
    # a verb's parameters are its options on the command line
    counts = {name: parameters(f) for name, f in functions.items() if not name.startswith("bramble.cli.")}
    longest, largest = max(lengths, key=lengths.__getitem__), max(files, key=files.__getitem__)
    widest = max(counts, key=counts.__getitem__)
    figures = [
        ("file lines, median", statistics.median(files.values()), 120, ""),
        ("file lines, most", files[largest], 300, largest),
        ("function lines, median", statistics.median(lengths.values()), 10, ""),
        ("function lines, p90", statistics.quantiles(lengths.values(), n=10)[-1], 35, ""),
        ("function lines, most", lengths[longest], 60, longest),
        ("parameters, most", counts[widest], 6, widest),
    ]
    rows = [f"{name:24}{value:8.1f}{limit:6}  {where}" for name, value, limit, where in figures]
    table = "\n".join([f"{len(files)} files, {len(functions)} functions   found   limit", *rows])
    assert all(value <= limit for _, value, limit, _ in figures), f"\n{table}"


def public(source: Source) -> list[Function | ast.ClassDef]:
    """Public functions and classes of a module, and the public methods of its public classes."""
    top = [node for node in source.tree.body if isinstance(node, (Function, ast.ClassDef))]
    seen = [node for node in top if not node.name.startswith("_")]
    inner = [item for node in seen if isinstance(node, ast.ClassDef) for item in node.body]
    return seen + [item for item in inner if isinstance(item, Function) and not item.name.startswith("_")]


def test_docstrings() -> None:
    """Every module, public class, function and method says what it is."""
    lacking = [source.name for source in sources().values() if not ast.get_docstring(source.tree)]
    for source in sources().values():
        lacking += [
            f"{source.name}:{node.lineno} {node.name}" for node in public(source) if not ast.get_docstring(node)
        ]
    assert not lacking, f"no docstring: {', '.join(lacking)}"


def test_broad_excepts_are_marked() -> None:
    """A handler of everything raises an error of ours, or is one of the outer borders, marked BLE001 with a reason."""
    breaches = [
        f"{source.name}:{node.lineno}"
        for source in sources().values()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and broad(node) and not isinstance(node.body[-1], ast.Raise)
        if "noqa: BLE001 - " not in source.text.splitlines()[node.lineno - 1]
    ]
    assert not breaches, f"broad except without '# noqa: BLE001 - why': {', '.join(breaches)}"


def broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds
    )
