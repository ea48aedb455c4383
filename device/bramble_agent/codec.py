"""Frozen dataclasses to JSON values and back, strictly: unknown or missing keys are errors, not surprises.

Small on purpose (stdlib only, Python 3.9): it knows dataclasses, ``Optional``, ``Tuple[X, ...]``, ``Dict[str, X]`` and
the JSON scalars, which is all that ``wire`` uses.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import typing
from typing import Any, TypeVar

from .errors import BadRequest

T = TypeVar("T")


def encode(value: object) -> Any:
    """The JSON value of a dataclass (or of a tuple, dict or scalar inside one)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(kind: type[T], value: object, where: str = "") -> T:
    """Build ``kind`` (a dataclass) from a JSON object.

    Raises BadRequest, naming the path inside the message, for a wrong type, an unknown key or a missing one.
    """
    return typing.cast(T, _decode(kind, value, where or kind.__name__))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode(kind: Any, value: object, where: str) -> object:
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union:
        return None if value is None else _decode(arguments[0], value, where)
    if origin is tuple:
        _demand(isinstance(value, list), where, "a list", value)
        return tuple(
            _decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(typing.cast("list[object]", value))
        )
    if origin is dict:
        _demand(isinstance(value, dict), where, "an object", value)
        items = typing.cast("dict[object, object]", value).items()
        return {str(key): _decode(arguments[1], item, f"{where}.{key}") for key, item in items}
    return _decode_scalar(kind, value, where)


def _decode_dataclass(kind: Any, value: object, where: str) -> object:
    _demand(isinstance(value, dict), where, "an object", value)
    given = typing.cast("dict[str, object]", value)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise BadRequest(f"{where}: unknown key {unknown[0]!r}", "host and board use different versions of Bramble")
    for name, field in fields.items():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in given and not optional:
            raise BadRequest(f"{where}: key {name!r} is missing", "host and board use different versions of Bramble")
    hints = _hints(kind)
    return kind(**{name: _decode(hints[name], item, f"{where}.{name}") for name, item in given.items()})


def _decode_scalar(kind: Any, value: object, where: str) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        _demand(abs(value) <= sys.float_info.max, where, "a number that a float can hold", value)
        return float(value)
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    _demand(right, where, kind.__name__, value)
    return value


def _demand(right: bool, where: str, wanted: str, value: object) -> None:
    if not right:
        raise BadRequest(f"{where}: expected {wanted}, got {type(value).__name__}", "the message is damaged")
