"""A whole camera loop, from a request to its answer: opens what is asked for, runs it, lets go of it.

What it ties together are files beside this one; ``Openers`` holds those that depend on what is asked for.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..bundle import open_bundle
from ..errors import BadRequest
from ..wire import Pixels
from ..wire_camera import CameraAnswer, CameraAsk, CameraStatus
from .ages import Ages
from .control import Command, check_name, listening
from .decide import Decider, check_labels
from .deliver import Acting
from .event import Event, Prediction
from .frame import Frame, Source
from .looker import Frames, Hooks, Looker, Parts
from .model import Converters, Model
from .predict import Predictor
from .stats import Stats
from .sustained import sustaining
from .swap import Swapper
from .tell import Teller, damaged_line, event_line, frame_line

TELLS = ("frames", "events", "nothing")


@dataclass(frozen=True)
class Openers:
    """How sources, converters and actions are made."""

    frames: Callable[[str, Pixels], tuple[Source, Frames]]  # of a URL-like source, for a release's pixels
    converters: Converters
    acting: Callable[[CameraAsk, Ages], Acting]  # "action" ages go there


def run(
    ask: CameraAsk,
    write: Callable[[Any], None],
    stop: threading.Event,
    openers: Openers,
    hooks: Hooks | None = None,
) -> CameraAnswer:
    """Look until told to ``stop``, the source ends, or the frames that were asked for are predicted.

    ``write`` gets the lines that ``ask.tell`` asks for, as JSON values. Raises BadRequest for a request that makes no
    sense or does not go with the bundle; what opening bundle, source and actions raise; CameraLost; ModelRejected.
    """
    check(ask)
    parts = _parts(ask, openers)
    teller = Teller(write, parts.live)
    parts.stats.untold = lambda: teller.untold
    handle = _handler(ask, parts, stop)
    with ExitStack() as stack:
        parts.stats.sustained = stack.enter_context(sustaining(ask, parts.brake))
        parts.hooks = _telling(stack.enter_context(_page(ask, parts, handle, hooks or Hooks())), teller, ask.tell)
        stack.callback(teller.stop)
        stack.callback(parts.swapper.stop)
        if ask.root:
            stack.enter_context(listening(Path(ask.root).expanduser(), ask.name, handle))
        for delivery in parts.deliveries:
            stack.callback(delivery.stop)
            delivery.start()
        stack.callback(parts.frames.stop)
        parts.frames.start()
        ended = Looker(ask, parts).run(stop)
    return CameraAnswer(ended, parts.stats.snapshot())


def check(ask: CameraAsk) -> None:
    """Raise BadRequest for numbers, names and words that make no sense."""
    check_name(ask.name)
    if ask.fps is not None and not (0.0 < ask.fps <= 1e6):
        raise BadRequest(f"{ask.fps:g} frames a second", "a rate is above 0; leave it out for as fast as it goes")
    if ask.every < 1 or (ask.frames is not None and ask.frames < 1):
        raise BadRequest(f"every {ask.every}, frames {ask.frames}", "both count from 1")
    if not 0.0 <= ask.motion <= 1.0:
        raise BadRequest(f"motion {ask.motion:g}", "the share of the picture that must change, from 0 to 1")
    if len(set(ask.actions)) < len(ask.actions):
        raise BadRequest("an action is there twice", "each does all there is to do")
    if ask.deadline_ms is not None and not (ask.deadline_ms > 0.0 and math.isfinite(ask.deadline_ms)):
        raise BadRequest(f"a deadline of {ask.deadline_ms:g} ms", "milliseconds above 0, or leave it out")
    if ask.cpu is not None and not (ask.cpu > 0.0 and math.isfinite(ask.cpu)):
        raise BadRequest(
            f"a cpu share of {ask.cpu:g}", "of one core's time, above 0 (2: two cores); leave it out for no limit"
        )
    if ask.tell not in TELLS:
        raise BadRequest(f"tell {ask.tell[:80]!r}", f"one of {', '.join(TELLS)}")


def _parts(ask: CameraAsk, openers: Openers) -> Parts:
    model = _loaded(ask.bundle, ask, openers)
    run_id = secrets.token_hex(6)
    decider = Decider(model.labels, ask.decide, run_id)
    source, frames = openers.frames(ask.source, model.predict.pixels)
    stats = Stats(ask.name, run_id, ask.source)
    acting = openers.acting(ask, stats.ages["action"])
    check_labels("an action", acting.labels, model.labels)
    task = model.predict.task
    swapper = Swapper(
        model,
        load=lambda bundle: _loaded(bundle, ask, openers),
        check=lambda new: _check_swap(decider, acting.labels, task, new),
        decide=lambda: decider.how,
        want=frames.want,
    )
    stats.release, stats.model = model.release, model.name  # whoever asks before the first frame is told too
    stats.captured, stats.swap, stats.decide = frames.counts, swapper.status, lambda: decider.how
    stats.trouble = lambda: frames.trouble
    stats.deliveries, stats.written_bytes = acting.deliveries, acting.written_bytes
    return Parts(frames, source.live, swapper, decider, stats, stats.deliveries, openers.converters)


def _loaded(bundle: str, ask: CameraAsk, openers: Openers) -> Model:
    return Model(Predictor(open_bundle(Path(bundle).expanduser()), ask.threads), openers.converters)


def _check_swap(decider: Decider, chosen: Iterable[str], task: str, new: Model) -> None:
    if new.predict.task != task:
        raise BadRequest(f"that release is for {new.predict.task}, the loop runs {task}", "start another loop for it")
    decider.check(new.labels)
    check_labels("an action", chosen, new.labels)


@contextmanager
def _page(ask: CameraAsk, parts: Parts, handle: Callable[[Command], CameraStatus], hooks: Hooks) -> Iterator[Hooks]:
    """Within, the live page is there if it is asked for; gives the hooks that feed it."""
    if not ask.page:
        yield hooks
        return
    from .page.serve import Inside, paged

    with paged(ask, Inside(parts.stats, handle, lambda: parts.swapper.model.labels), hooks) as watched:
        yield watched


def _telling(hooks: Hooks, teller: Teller, tell: str) -> Hooks:
    """The hooks, and the lines that are asked for."""

    def prediction(told: Prediction, frame: Frame) -> None:
        hooks.prediction(told, frame)
        teller(frame_line(told))

    def event(told: Event) -> None:
        hooks.event(told)
        teller(event_line(told))

    def damaged(picture: str, why: str) -> None:
        hooks.damaged(picture, why)
        teller(damaged_line(picture, why))

    if tell == "frames":
        return dataclasses.replace(hooks, prediction=prediction, damaged=damaged)
    return dataclasses.replace(hooks, event=event, damaged=damaged) if tell == "events" else hooks


def _handler(ask: CameraAsk, parts: Parts, stop: threading.Event) -> Callable[[Command], CameraStatus]:
    """What is done with a command; every one is answered by the status."""

    def handle(command: Command) -> CameraStatus:
        if command.do == "thresholds":
            parts.decider.tune(command.tuning)
        elif command.do == "swap":
            parts.swapper.begin(command.swap, command.swap.bundle or ask.bundle)
        elif command.do == "stop":
            stop.set()
        return parts.stats.snapshot()

    return handle
