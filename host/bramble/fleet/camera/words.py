"""What a camera loop says, in words for a person."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bramble.fleet.camera.place import Place
from bramble.fleet.camera.swap import Swapped
from bramble.report.units import si
from bramble_agent.wire_camera import AgeStatus, CameraAnswer, CameraAsk, CameraStatus, Decide, DeliveryStatus

WHY_NOT = {"every": "by --every", "still": "still (--motion)"}  # causes whose own word is too short


def begin_words(request: CameraAsk, place: Place, board: str) -> str:
    """What is about to run: which model looks at what."""
    page = f"; live page: bramble camera view {board}" if request.page else ""
    return f"{place.model} (release {place.current[:12]}) looks at {request.source}{page}"


def frame_words(line: dict[str, Any], decide: Decide | None = None) -> str:
    """A frame's line: "frame 12  cat 0.93  age 40 ms"; with ``decide`` it says what is below its label's threshold."""
    picture = f"  {line['picture']}" if line.get("picture") else ""
    if line.get("label") is None:
        return f"frame {line['frame']:>6}  nothing seen  age {line['age_ms']:.0f} ms{picture}"
    label, score = line["label"], line["score"]
    least = decide.thresholds.get(label, decide.threshold) if decide else 0.0
    below = f" (below {least:g})" if score < least else ""
    return f"frame {line['frame']:>6}  {label} {score:.2f}{below}  age {line['age_ms']:.0f} ms{picture}"


def said_words(said: str) -> str:
    """An entry of a service's journal: the agent's lines become words, all else stays as it is."""
    try:
        held = json.loads(said)
        if "error" in held:
            return f"error: {held['error']['message']} → {held['error']['hint']}"
        if "answer" in held:
            return f"ended ({held['answer']['ended']}) after {held['answer']['status']['frames']:,} frames"
        return line_words(held["line"])
    except (ValueError, KeyError, TypeError):
        return said


def line_words(line: dict[str, Any], decide: Decide | None = None) -> str:
    """A line of a loop: a frame's, an event's, or a note."""
    if "note" in line:
        return str(line["note"])
    if "event" in line:
        event = line["event"]
        where = event.get("picture") or f"frame {event['frame']}"
        return f"{event['what']} {event['label']} {event['score']:.2f} ({where}, {event['id']})"
    return frame_words(line, decide)


def end_words(answer: CameraAnswer) -> str:
    """What a loop in the foreground did."""
    status = answer.status
    rate = f", {status.frames / status.seconds:.1f} fps" if status.seconds else ""
    did = f"{_count(status.frames, 'frame')} in {status.seconds:.1f} s{rate}, {_count(status.events, 'event')}"
    return "; ".join([did, _drops(status), *(words for one in status.actions if (words := _undone(one)))])


def status_words(status: CameraStatus) -> Iterator[str]:
    """A loop's status, line by line."""
    fps = "no frames now" if status.fps is None else f"{status.fps:.1f} fps"
    yield f"{status.source} → {status.model} (release {status.release[:12]}), for {_span(status.seconds)}"
    yield f"{fps}, {_count(status.frames, 'frame')}, {_count(status.events, 'event')}"
    if status.page:
        yield f"live page at {status.page} of the board: bramble camera view"
    if status.trouble:
        yield f"trouble: {status.trouble}"
    yield f"age {_age(status.ages['inference'])}; inference {_age(status.infer)}"
    yield _drops(status)
    for one in status.actions:
        failed = f" ({one.failures:,} tries failed, last: {one.last_failure})" if one.failures else ""
        yield (
            f"{one.action}: {one.done:,} done, {one.waiting:,} waiting, "
            f"{one.dropped:,} dropped, {one.refused:,} refused{failed}"
        )
    if status.swap.state != "none":
        yield f"swap: {status.swap.state}" + (f": {status.swap.why}" if status.swap.why else "")


def service_words(state: dict[str, str], kind: str) -> str:
    """A unit's state as systemd tells it."""
    memory = state.get("MemoryCurrent", "")
    used = f", {si(int(memory), 'B')}" if memory.isdigit() and int(memory) < 1 << 50 else ""
    boot = "starts at boot" if state.get("UnitFileState") == "enabled" else "does not start at boot"
    why = state.get("Result", "")
    failed = f" ({why})" if why not in ("", "success") else ""
    restarts = int(state.get("NRestarts") or 0)
    again = f", started anew {restarts} times" if restarts else ""
    return f"{kind}: {state.get('ActiveState')}{failed}, {boot}{again}{used}"


def swap_words(swapped: Swapped) -> Iterator[str]:
    """How a swap went, line by line."""
    swap = swapped.swap
    new, old = swap.release[:12] or "the new release", swap.before[:12]
    if swapped.ok:
        yield f"release {new} looks now, {old} before"
        yield f"{swap.dropped} frames dropped, longest gap {swap.longest_gap_ms:.0f} ms (usual {swap.usual_gap_ms:.0f})"
    else:
        what = "was rolled back" if swap.state == "rolled-back" else "was not taken"
        yield f"release {new} {what}: {swap.why}"
        yield f"release {old} looks on; {swap.dropped} frames dropped, longest gap {swap.longest_gap_ms:.0f} ms"
    if swap.reshaped:
        yield "they take pictures of different sizes: the source was set up for both, then for the one that stays"
    if not swapped.ok and swap.agreement == 0.0:
        yield "they never agree: if they name different things on purpose, --agreement 0"
    if swap.agreement is not None:
        yield f"both agreed on {swap.agreement:.0%} of {swap.compared} frames; {_latencies(swapped)}"
    if swapped.link == "back":
        yield f"release {swapped.current[:12]} is the board's current one again"
    elif not swapped.ok and swapped.link != "stays":
        yield f"the board's current release stays {swapped.current[:12]}: {swapped.link}"


def _latencies(swapped: Swapped) -> str:
    pair = (swapped.swap.before_latency_ms, swapped.swap.latency_ms)
    return " → ".join("?" if one is None else f"{one:.2f} ms" for one in pair)


def _age(age: AgeStatus) -> str:
    told = {"p50": age.p50_ms, "p95": age.p95_ms, "p99": age.p99_ms}
    known = [f"{name} {_ms(value)}" for name, value in told.items() if value is not None]
    return " ".join(known) or (_ms(age.mean_ms) if age.count else "unknown")


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 10.0 else f"{value:.2f} ms"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _undone(one: DeliveryStatus) -> str:
    """What of an action's events is not done; "" where all is."""
    told = {"waiting for the next run": one.waiting, "dropped": one.dropped, "refused": one.refused}
    parts = ", ".join(f"{number:,} {word}" for word, number in told.items() if number)
    why = f" ({one.last_failure})" if one.last_failure else ""
    trouble = f"; {one.trouble}" if one.trouble else ""
    return f"{one.action}: {parts}{why}{trouble}" if parts else ""


def _drops(status: CameraStatus) -> str:
    causes = Counter({key: value for key, value in status.captured.items() if key != "frames"})
    causes.update(status.skipped)  # some causes are in both: late for the capture, and late for the loop
    told = ", ".join(f"{value:,} {WHY_NOT.get(key, key)}" for key, value in causes.items() if value)
    return f"not looked at: {told}" if told else "every frame looked at"


def _span(seconds: float) -> str:
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days:.0f} d {hours % 24:.0f} h"
    return f"{hours:.0f} h {minutes % 60:.0f} min" if hours else f"{minutes:.0f} min {seconds % 60:.0f} s"
