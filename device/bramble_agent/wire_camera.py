"""The part of the contract for the camera loop. The version is ``wire.WIRE_VERSION``.

A camera is answered by lines of JSON: {"version", "line"} for each frame or event, at the end {"version", "answer"}.
"""

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
    page ("": none). The answers are lines: one a frame where ``tell`` is "frames", one an event where it is "events"
    (once every action has it waiting), none where it is "nothing". A live frame older than ``deadline_ms`` when its
    turn comes is not looked at.
    ``page_token`` is the file of the page's token ("": <root>/camera/<name>.token, on other addresses than loopback).
    ``cpu`` is the share of one core's time that the loop may use (0.5: half of it, 2: two cores; None: no limit).
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
    deadline_ms: Optional[float] = None
    page_token: str = ""
    cpu: Optional[float] = None


# ---- what may change while it runs -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Tuning:
    """New values of ``Decide`` for a loop that runs; None leaves one as it is, ``thresholds`` replaces all of them."""

    threshold: Optional[float] = None
    thresholds: Optional[Dict[str, float]] = None
    release: Optional[float] = None
    smooth: Optional[float] = None
    hold: Optional[int] = None
    top: Optional[int] = None


@dataclass(frozen=True)
class SwapHow:
    """How the loop goes over to another release ("": what the asked ``bundle``, say the link ``current``, names now).

    It must name the same as the old one on a share ``agreement`` of ``compare`` live frames and take at most
    ``latency_ms`` in the median (None: half as much again as the old one, and 2 ms), before the switch and for
    ``probation`` frames after it. Frames that do not come within ``patience_s`` end the attempt. With ``compare`` 0
    agreement is not looked at.
    """

    bundle: str = ""
    compare: int = 32
    agreement: float = 0.9
    latency_ms: Optional[float] = None
    probation: int = 128
    patience_s: float = 120.0


@dataclass(frozen=True)
class ControlAsk:
    """To the loop called ``name`` that runs on the board: ``do`` is "status", "thresholds", "swap" or "stop"."""

    root: str = "~/.bramble"
    name: str = "camera"
    do: str = "status"
    tuning: Tuning = field(default_factory=Tuning)
    swap: SwapHow = field(default_factory=SwapHow)


# ---- how it is doing -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AgeStatus:
    """A histogram in short: percentiles at most 9 % above the true ones, None where ``count`` cannot carry one."""

    count: int
    mean_ms: float
    p50_ms: Optional[float]
    p95_ms: Optional[float]
    p99_ms: Optional[float]
    most_ms: float


@dataclass(frozen=True)
class DeliveryStatus:
    """One action: events done for good, waiting, dropped (by cause in ``causes``), refused; tries that failed.

    ``held_bytes`` of files hold what waits; ``trouble`` is why that is not as safe as it should be ("": it is). Causes:
    "full" no room, "end" of the loop, "memory", "budget", "disk", "damaged" as told in the agent's spool.
    """

    action: str
    done: int
    waiting: int
    dropped: int
    refused: int
    failures: int
    last_failure: str
    causes: Dict[str, int] = field(default_factory=dict)
    held_bytes: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class SwapStatus:
    """The latest swap. ``state``: none, loading, comparing, probation, done, refused (never switched) or rolled-back.

    ``dropped`` is by how many more of the source's frames were passed over at the switch than between any two of the 64
    frames before; ``longest_gap_ms`` is the longest time between two predictions since the swap was asked for,
    ``usual_gap_ms`` the longest between those 64. ``reshaped``: the releases take different pictures, so the source was
    asked for frames that serve both; a camera pauses where it is set up anew for that.
    """

    state: str = "none"
    release: str = ""
    before: str = ""
    compared: int = 0
    agreement: Optional[float] = None
    latency_ms: Optional[float] = None
    before_latency_ms: Optional[float] = None
    dropped: int = 0
    longest_gap_ms: float = 0.0
    usual_gap_ms: float = 0.0
    switches: int = 0
    why: str = ""
    reshaped: bool = False


@dataclass(frozen=True)
class SustainedStatus:
    """How the board bears the loop. ``rate`` is the share of its full rate that it goes at, ``why`` what lowers it.

    ``why`` is "heat", "cpu" or "" (nothing). ``temp_c`` is now, ``limit_c`` where the board throttles, ``throttled``
    whether it does. ``cpu`` is the share of one core's time that the loop used lately. Of the bytes that it gave to the
    storage ``written_bytes`` are all, ``day_bytes`` those of the last 24 hours; it may give ``day_budget_bytes`` a day.
    None where the board does not say.
    """

    temp_c: Optional[float] = None
    limit_c: Optional[float] = None
    throttled: Optional[bool] = None
    rate: float = 1.0
    why: str = ""
    cpu: Optional[float] = None
    written_bytes: Optional[int] = None
    day_bytes: Optional[int] = None
    day_budget_bytes: int = 0


@dataclass(frozen=True)
class CameraStatus:
    """All that a loop counts, since it began. ``trouble`` is why no frames come now ("": they do).

    ``captured`` are the source's own counts (frames, drops by cause), ``skipped`` frames that came but were not looked
    at, by cause; ``ages`` since the sensor took the frame: when it was taken up ("capture"), predicted ("inference"),
    and its event was acted on ("action"). ``infer`` is the time a prediction takes. ``fps`` is that of the last frames.
    ``written_bytes`` went to the disk since ``write_bytes_per_day`` was begun anew.
    ``page`` is "host:port" where the live page is ("": there is none), ``model`` the name that the release's model has.
    """

    name: str
    run: str
    source: str
    release: str
    seconds: float
    frames: int
    fps: Optional[float]
    events: int
    trouble: str
    captured: Dict[str, int]
    skipped: Dict[str, int]
    untold: int
    ages: Dict[str, AgeStatus]
    infer: AgeStatus
    actions: Tuple[DeliveryStatus, ...]
    decide: Decide
    swap: SwapStatus
    written_bytes: int = 0
    sustained: SustainedStatus = field(default_factory=SustainedStatus)
    page: str = ""
    model: str = ""


@dataclass(frozen=True)
class CameraAnswer:
    """The end of a loop: ``ended`` is "frames" (as many as asked for), "end" (of the source) or "stop"."""

    ended: str
    status: CameraStatus


@dataclass(frozen=True)
class ControlAnswer:
    """The loop's status, after what was asked for was begun."""

    status: CameraStatus
