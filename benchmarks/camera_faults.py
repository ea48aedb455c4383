"""What a supervised loop loses: killed at random points, and with its broker down. Real parts: mosquitto, processes.

The frames are computed, and the thresholds lie between their scores, so that the real model makes as many events a
second as wanted.
"""

from __future__ import annotations

import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from camera_ids import Account, account, split
from camera_rows import Row
from camera_service import LIMITS, Listener, Looping, parts, settled, wait

from bramble_agent.bundle import open_bundle
from bramble_agent.camera.control import command
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.decide import Decider, Moment
from bramble_agent.camera.predict import Predictor
from bramble_agent.camera.sources.open import source
from bramble_agent.camera.sources.synthetic import RING
from bramble_agent.wire_camera import CameraAsk, CameraStatus, ControlAsk, Decide

TOPIC = "home/door"
LIFE_S = 1.0  # a loop is killed at some moment of its first second
DRAIN_S = 180.0


def scores(bundle: str) -> list[list[float]]:
    """Of the computed frames, by frame and label; the frames repeat after these."""
    predictor = Predictor(open_bundle(Path(bundle)))
    feed, convert = source("synthetic:", predictor.pixels), Converter(predictor.pixels)
    feed.open()
    frames = [feed.read() for _ in range(RING)]
    found = [[float(one) for one in predictor(convert.pixels(frame), 1).scores] for frame in frames if frame]
    feed.close()
    return found


def between(found: Sequence[Sequence[float]], labels: Sequence[str]) -> Decide:
    """Thresholds in the middle of the widest gap of each label's scores, so that it comes and goes."""
    middles = {}
    for label, column in zip(labels, zip(*found, strict=True), strict=True):
        steps = sorted(column)
        gap, low = max((high - low, low) for low, high in itertools.pairwise(steps))
        middles[label] = low + gap / 2
    return Decide(thresholds=middles, release=1.0)


def events_a_round(found: Sequence[Sequence[float]], labels: Sequence[str], how: Decide) -> int:
    """How many events the frames make each time that they come round."""
    import numpy as np

    decider, made = Decider(labels, how, "count"), 0
    for turn in range(2):  # the first begins with nothing seen
        made = sum(len(decider.decide(np.array(one), {}, Moment(turn, 0.0, ""))) for one in found)
    if not made:
        raise SystemExit("the model gives all computed frames the same scores: they make no events")
    return made


def asked(bundle: str, root: Path, per_s: float, actions: tuple[str, ...]) -> CameraAsk:
    """A loop that makes ``per_s`` events a second."""
    labels, found = open_bundle(Path(bundle)).labels, scores(bundle)
    how = between(found, labels)
    fps = per_s * RING / events_a_round(found, labels, how)
    return CameraAsk(bundle, f"synthetic:?fps={fps:g}", str(root), decide=how, actions=actions, tell="events")


def status(ask_root: Path) -> CameraStatus:
    """The loop's own account."""
    return command(ControlAsk(str(ask_root)))


# ---- killed ----------------------------------------------------------------------------------------------------


def kills(bundle: str, count: int, seed: int = 0) -> list[Row]:
    """Kill a supervised loop again and again; how long until the next event, and which events are missing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = folder / "events.jsonl"
        actions = (f"jsonl:{lines}?rotate_bytes=1000000000",)
        with parts(folder, TOPIC, lambda mqtt: asked(bundle, folder, 30.0, (*actions, mqtt))) as (_, listener, looping):
            died = killed(looping, count, random.Random(seed))
            drained(looping, listener, folder)
            looping.stop()
            settled(lambda: len(listener.ids))
        ids = [json.loads(line)["id"] for line in lines.read_text(encoding="utf-8").splitlines()]
    found = account([one for _, one in looping.told], {"mqtt": listener.ids, "jsonl": ids})
    took = recoveries(died, looping.told)
    detail = told_of(found) | {
        "kills": count,
        "kills before the first event of a start": count - len(took),
        "median_s": statistics.median(took),
        "of it the supervisor's pause_s": LIMITS.first_pause_s,
        "supervisor's notes": len(looping.notes),
    }
    lost = sum(map(len, found.lost.values()))
    return [
        Row(
            f"s from kill -9 to the next event, the longest of {count} kills at random points",
            max(took),
            "≤",
            5,
            detail,
        ),
        Row(f"acknowledged events lost by {count} kills (by MQTT, by a file)", lost, "≤", 0, detail),
    ]


def killed(looping: Looping, count: int, rng: random.Random) -> list[float]:
    """Kill each new process at a random moment of its first second; the moments."""
    moments, before = [], 0
    for _ in range(count):
        wait(lambda gone=before: looping.pid not in (0, gone), 60.0, "a new start", 0.005)  # type: ignore[misc]
        time.sleep(rng.uniform(0.0, LIFE_S))
        before = looping.pid
        moments.append(time.monotonic())
        looping.kill()
    return moments


def recoveries(died: Sequence[float], told: Sequence[tuple[float, str]]) -> list[float]:
    """Seconds from each kill to the first event of a new run, where the next kill did not come before that."""
    first: dict[str, float] = {}
    for at, one in told:
        first.setdefault(split(one)[0], at)
    begun = sorted(first.values())
    ends = [*died[1:], float("inf")]
    found = (next((at - kill for at in begun if kill < at), None) for kill in died)
    return [took for took, kill, end in zip(found, died, ends, strict=True) if took is not None and kill + took < end]


def drained(looping: Looping, listener: Listener, root: Path) -> float:
    """Wait until no event waits that was told of up to now; the seconds."""
    wait(lambda: looping.pid and (root / "camera" / "camera.sock").exists(), 60.0, "the last start")
    runs = {split(one)[0] for _, one in looping.told}
    wait(lambda: any(split(one)[0] not in runs for _, one in looping.told[-5:]), 60.0, "the last start's events")
    wanted = {one for _, one in looping.told}
    return wait(lambda: wanted.issubset(listener.ids), DRAIN_S, "all events", 0.5)


def told_of(found: Account) -> dict[str, object]:
    """An account for a row's detail."""
    return {
        "runs": found.runs,
        "acknowledged events": found.events,
        "lost": {name: ids[:20] for name, ids in found.lost.items()},
        "came again": found.again,
        "killed between one action's queue and the next": found.unacknowledged,
    }


# ---- broker down -----------------------------------------------------------------------------------------------


def outage(bundle: str, seconds: float, per_s: float = 10.0) -> list[Row]:
    """Take the broker away for so long; which events are missing in the end, and what the disk had to bear."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with parts(folder, TOPIC, lambda mqtt: asked(bundle, folder, per_s, (mqtt,))) as (broker, listener, looping):
            wait(lambda: len(listener.ids) > per_s, 60.0, "the first events")
            before, begin = len(looping.told), time.monotonic()
            broker.stop()
            time.sleep(seconds)
            wait(lambda: len(looping.told) - before >= seconds * per_s, seconds, "that many events", 0.1)
            lasted = time.monotonic() - begin
            held, during = status(folder), len(looping.told) - before
            broker.start()
            wanted = {one for _, one in looping.told}
            delivered = wait(lambda: wanted.issubset(listener.ids), DRAIN_S, "all events", 0.5)
            after = status(folder)
            looping.stop()
            settled(lambda: len(listener.ids))
    found = account([one for _, one in looping.told], {"mqtt": listener.ids})
    detail = told_of(found) | {
        "broker down for_s": lasted,
        "events meanwhile": during,
        "waited when it came back": held.actions[0].waiting,
        "in files then_bytes": held.actions[0].held_bytes,
        "all there after_s": delivered,
        "dropped": after.actions[0].dropped,
        "tries that failed": after.actions[0].failures,
        "written, as the budget counts_bytes": after.written_bytes,
        "written, as the kernel counts_bytes": after.sustained.written_bytes,
        "budget of a day_bytes": after.sustained.day_budget_bytes,
        "trouble": after.actions[0].trouble,
    }
    what = f"{per_s:g} events/s with the broker down for {figured(seconds)}"
    share = after.written_bytes / after.sustained.day_budget_bytes
    return [
        Row(f"events lost of {during:,}, {what}", len(found.lost["mqtt"]), "≤", 0, detail),
        Row(f"share of a day's write budget that this took, {what}", share, "≤", 1, detail),
    ]


def figured(seconds: float) -> str:
    """Seconds, as minutes where they are."""
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
