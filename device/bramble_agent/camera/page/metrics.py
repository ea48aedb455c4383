"""What a loop counts in Prometheus' text format (0.0.4): seconds and bytes, counters end in _total.

Written by hand: it is lines of text, and a board needs no library for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Optional, Tuple

from ...wire_camera import CameraStatus
from ..ages import Ages
from ..redact import redacted
from ..stats import Stats

TYPE = "text/plain; version=0.0.4; charset=utf-8"
FROM_MS, TO_MS = 0.5, 70_000.0  # of the histograms' octaves those that ages lie in

Labels = Mapping[str, str]
Row = Tuple[Labels, float]


def metrics(stats: Stats, healthy: bool) -> str:
    """The whole answer."""
    now = stats.snapshot()
    lines = [*_counts(now), *_gauges(now, healthy), *_actions(now)]
    lines += _histogram("age_seconds", "Since the sensor took the frame.", stats.ages)
    lines += _histogram("inference_seconds", "What a prediction takes.", {"": stats.infer})
    return "\n".join(lines) + "\n"


def _counts(now: CameraStatus) -> Iterator[str]:
    captured = {cause: count for cause, count in now.captured.items() if cause != "frames"}
    yield from _family("frames_total", "counter", "Frames that were predicted.", [({}, now.frames)])
    yield from _family(
        "captured_frames_total", "counter", "Frames that the source gave.", [({}, now.captured.get("frames", 0))]
    )
    yield from _family("dropped_frames_total", "counter", "Frames lost on the way to the loop.", _by("cause", captured))
    yield from _family("skipped_frames_total", "counter", "Frames not looked at.", _by("cause", now.skipped))
    yield from _family("events_total", "counter", "Decisions that changed.", [({}, now.events)])
    yield from _family("swaps_total", "counter", "Times that the release was changed.", [({}, now.swap.switches)])
    if now.sustained.written_bytes is not None:
        yield from _family(
            "written_bytes_total", "counter", "Bytes given to the storage.", [({}, now.sustained.written_bytes)]
        )


def _gauges(now: CameraStatus, healthy: bool) -> Iterator[str]:
    info = {"name": now.name, "run": now.run, "release": now.release, "source": redacted(now.source)}
    yield from _family("info", "gauge", "Which loop this is.", [(info, 1)])
    yield from _family("healthy", "gauge", "1 while the loop goes on and frames come.", [({}, int(healthy))])
    yield from _family("uptime_seconds", "gauge", "Since the loop began.", [({}, now.seconds)])
    yield from _family("rate_ratio", "gauge", "Share of its full rate that it goes at.", [({}, now.sustained.rate)])
    yield from _maybe("fps", "Predictions a second lately.", now.fps)
    yield from _maybe("temperature_celsius", "Of the processor.", now.sustained.temp_c)
    yield from _maybe("cpu_cores", "Cores' worth of time that the loop uses.", now.sustained.cpu)
    yield from _maybe("written_day_bytes", "Bytes given to the storage in 24 hours.", now.sustained.day_bytes)


def _actions(now: CameraStatus) -> Iterator[str]:
    outcomes = [
        ({"action": f"{number} {redacted(one.action)}", "outcome": outcome}, getattr(one, outcome))
        for number, one in enumerate(now.actions)
        for outcome in ("done", "dropped", "refused", "failures")
    ]
    waiting = [({"action": f"{number} {redacted(one.action)}"}, one.waiting) for number, one in enumerate(now.actions)]
    yield from _family("action_events_total", "counter", "What became of events.", outcomes)
    yield from _family("action_waiting", "gauge", "Events that wait.", waiting)


def _histogram(name: str, words: str, held: Mapping[str, Ages]) -> Iterator[str]:
    yield from _head(name, "histogram", words)
    for at, ages in held.items():
        own = {"at": at} if at else {}
        buckets = ages.buckets()
        for edge_ms, count in buckets:
            if FROM_MS <= edge_ms <= TO_MS:
                yield _line(f"{name}_bucket", {**own, "le": repr(edge_ms / 1e3)}, count)
        yield _line(f"{name}_bucket", {**own, "le": "+Inf"}, buckets[-1][1])
        yield _line(f"{name}_sum", own, ages.total_ms() / 1e3)
        yield _line(f"{name}_count", own, buckets[-1][1])


def _by(label: str, counts: Mapping[str, int]) -> Iterable[Row]:
    return [({label: cause}, count) for cause, count in counts.items()]


def _maybe(name: str, words: str, value: Optional[float]) -> Iterator[str]:
    if value is not None:
        yield from _family(name, "gauge", words, [({}, value)])


def _family(name: str, kind: str, words: str, rows: Iterable[Row]) -> Iterator[str]:
    yield from _head(name, kind, words)
    for labels, value in rows:
        yield _line(name, labels, value)


def _head(name: str, kind: str, words: str) -> Iterator[str]:
    yield f"# HELP bramble_camera_{name} {words}"
    yield f"# TYPE bramble_camera_{name} {kind}"


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"bramble_camera_{name}{{{inside}}} {value!r}" if inside else f"bramble_camera_{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
