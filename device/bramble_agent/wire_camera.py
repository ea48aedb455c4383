"""The part of the contract for the camera loop. The version is ``wire.WIRE_VERSION``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple  # evaluated at run time by codec, on Python 3.9 too


@dataclass(frozen=True)
class Decide:
    """When a label counts as seen. Scores are 0..1.

    ``threshold`` (or a label's own in ``thresholds``) is where a label begins to be seen, ``release`` times that where
    it ends; ``smooth`` is the share of the old score that stays at each frame (0: none); it must last ``hold`` frames.
    """

    threshold: float = 0.5
    thresholds: Dict[str, float] = field(default_factory=dict)
    release: float = 0.8
    smooth: float = 0.0
    hold: int = 1
    top: int = 5


@dataclass(frozen=True)
class CameraAsk:
    """Look, decide and act until told to stop, the source ends, or ``frames`` were predicted.

    ``bundle`` is a release's folder (or the link ``current``), ``source`` and ``actions`` are URL-like strings.
    ``fps`` is a steady rate (None: as fast as it goes); of the source's frames every ``every``-th is looked at;
    ``motion`` > 0 skips frames where less than that share of the picture changed. ``page`` is "host:port" of the live
    page ("": none). The answers are lines: one a frame where ``tell`` is "frames", one an event where it is "events".
    """

    bundle: str
    source: str
    root: str = ""
    name: str = "camera"
    threads: int = 1
    frames: Optional[int] = None
    fps: Optional[float] = None
    every: int = 1
    motion: float = 0.0
    decide: Decide = field(default_factory=Decide)
    actions: Tuple[str, ...] = ()
    spool_bytes: int = 64 << 20
    write_bytes_per_day: int = 256 << 20
    page: str = ""
    tell: str = "frames"
