"""The contract of ``install``: a runtime into a private environment, from wheels that the host sent. See ``wire``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple  # evaluated at run time by codec, on Python 3.9 too


@dataclass(frozen=True)
class WheelFact:
    """A wheel in the board's store, and the file name that pip reads it by."""

    file: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Proof:
    """A model of one operator with an input and the exact answer: what a runtime must get right to be used."""

    model_base64: str
    input: Tuple[float, ...]
    output: Tuple[float, ...]


@dataclass(frozen=True)
class InstallAsk:
    """Have ``runtime`` ("ai-edge-litert 2.3.0") in use, installed from ``wheels`` by ``pip``, a wheel too.

    ``question`` stands for all that led to this choice: an environment that came of the same one is kept as it is.
    Without wheels: only if it is there already.
    """

    root: str
    question: str
    proof: Proof
    runtime: str = ""
    wheels: Tuple[WheelFact, ...] = ()
    pip: Optional[WheelFact] = None


@dataclass(frozen=True)
class InstallAnswer:
    """``ready`` with the Python to use, or the sha256 of wheels that are ``missing`` or damaged on the board.

    ``parts`` are unfinished uploads (sha256 → bytes); ``changed`` is whether anything was done.
    """

    ready: bool
    missing: Tuple[str, ...]
    python: str
    runtime: str
    numpy: str
    changed: bool
    parts: Dict[str, int] = field(default_factory=dict)
