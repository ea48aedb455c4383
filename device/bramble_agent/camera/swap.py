"""From one release to another without losing a frame.

    loading     the new one is loaded and warmed by another thread; the loop goes on with the old one
    comparing   that thread runs the new one on copies of frames that the loop looks at: agreement, latency
    switched    between two frames the loop takes the new one
    probation   the thread runs the old one on copies; where the new one fails, disagrees or is slow, the loop goes
                back between two frames (where it fails, with the very frame it failed on)

Where the new one takes other pictures, the source is asked for frames that serve both, from the loading on, and at the
end for those of the one that stays; only such frames are compared, and switched on. A camera that must be set up anew
pauses twice for that.

The interpreter holds Python's lock while it loads a model, so the longest gap between two predictions is told.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..errors import AgentError, BadRequest, Busy
from ..wire import Pixels
from ..wire_camera import Decide, SwapHow, SwapStatus
from .frame import Frame
from .model import Model, named
from .place import alike
from .predict import Seen
from .shadow import Shadow, Tally

FACTOR, SLACK_MS = 1.5, 2.0  # how much slower than the old one it may be, where no latency is asked for
FEW = 16  # frames that a latency after the switch is judged by, at least
LOOK_S = 0.1
ENDING_S = 5.0
USUAL = 64  # frames before a swap, for what is usual
MOST_FRAMES = 1_000_000


class Swapper:
    """Holds the loop's model. ``begin`` and ``status`` may be called by any thread, the others by the loop's."""

    def __init__(
        self,
        model: Model,
        load: Callable[[str], Model],
        check: Callable[[Model], None],
        decide: Callable[[], Decide],
        want: Callable[[Sequence[Pixels]], int],
    ) -> None:
        """``load`` loads a release's folder, ``check`` raises BadRequest for a model that does not suit the loop.

        ``want`` asks the source for frames that serve models of all these pictures; gives the ``wish`` they will have.
        """
        self.model = model
        self._load, self._check, self._decide, self._want = load, check, decide, want
        self._wish = 0  # frames of an earlier one do not serve both models
        self._status = SwapStatus()
        self._shadow = Shadow()
        self._lock = threading.Lock()  # of what both threads write: status, the two below
        self._thread: threading.Thread | None = None
        self._active = False
        self._failure = ""  # the new model's, while the old one is still at hand
        self._old: Model | None = None
        self._wanted: Model | None = None
        self._taken, self._over = threading.Event(), threading.Event()
        self._gaps_ns: deque[int] = deque([0], maxlen=USUAL)
        self._steps: deque[int] = deque([1], maxlen=USUAL)
        self._times_ns: deque[int] = deque(maxlen=USUAL)
        self._since = 0  # frames that ``model`` looked at
        self._last: tuple[int, int] | None = None  # the latest frame's number, and when it was predicted

    def begin(self, how: SwapHow, bundle: str) -> None:
        """Begin to go over to the release in the folder ``bundle``. Raises Busy while another swap goes on."""
        _check(how)
        with self._lock:
            if self._active:
                raise Busy(f"a swap is going on ({self._status.state})", "wait for its end, then ask again")
            self._active, self._failure = True, ""
            usual, switches = max(self._gaps_ns) / 1e6, self._status.switches
            self._status = SwapStatus("loading", before=self.model.release, usual_gap_ms=usual, switches=switches)
        self._thread = threading.Thread(target=self._work, args=(how, bundle), name="swap", daemon=True)
        self._thread.start()

    def status(self) -> SwapStatus:
        """How the latest swap went, or goes."""
        return self._status

    def stop(self) -> None:
        """The loop has ended: a swap that goes on has nothing to wait for."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(ENDING_S)

    # ---- the loop's side

    def between(self, frame: Frame) -> bool:
        """Before a frame: whether ``model`` is another one from now on."""
        if self._wanted is None or frame.wish < self._wish:
            return False
        self._take(self._wanted)
        return True

    def failed(self, why: str) -> bool:
        """The model failed on a frame: whether ``model`` is the old one again, to be asked about that very frame."""
        with self._lock:
            old = self._old
            if old is None or old is self.model:
                return False
            self._failure = why
        self._take(old)
        return True

    def looked(self, frame: Frame, seen: Seen, infer_ns: int, now_ns: int) -> None:
        """A frame was predicted by ``model``."""
        if self._last is not None:
            self._note(now_ns - self._last[1], frame.number - self._last[0])
        self._last = frame.number, now_ns
        self._times_ns.append(infer_ns)
        self._since += 1
        if self._shadow.wants and frame.wish >= self._wish:
            how = self._decide()
            self._shadow.offer(frame, named(seen, self.model.predict.task, how.threshold))

    def _take(self, model: Model) -> None:
        with self._lock:
            self.model, self._wanted = model, None
            self._since = 0
            self._status = replace(self._status, switches=self._status.switches + 1)
        self._times_ns.clear()
        self._taken.set()

    def _note(self, gap_ns: int, step: int) -> None:
        if not self._active:
            self._gaps_ns.append(gap_ns)
            self._steps.append(step)
            return
        with self._lock:
            now = self._status
            dropped = max(0, step - max(self._steps)) if self._since == 0 and now.switches else 0
            self._status = replace(
                now, longest_gap_ms=max(now.longest_gap_ms, gap_ns / 1e6), dropped=now.dropped + dropped
            )

    # ---- the swap's own thread

    def _work(self, how: SwapHow, bundle: str) -> None:
        try:
            why = self._tried(how, bundle)
            if why:
                self._say(state="refused", why=why)
        finally:
            if self._status.reshaped:
                self._want((self.model.predict.pixels,))
            with self._lock:
                self._active, self._old = False, None

    def _tried(self, how: SwapHow, bundle: str) -> str:
        """Load, compare, switch and watch; why there was no switch."""
        old = self.model
        try:
            new = self._load(bundle)
            self._check(new)
            self._say(state="comparing", release=new.release)
            if new.release == old.release:
                return "it is the release that runs already"
            self._reshape(old.predict.pixels, new.predict.pixels)
            why = self._compared(new, how)
        except AgentError as error:
            return error.message
        except (OSError, MemoryError) as error:  # the card, or no room for two models at once
            return f"{type(error).__name__}: {error}"
        if why:
            return why
        budget_ms = self._budget_ms(how)
        with self._lock:
            self._old = old
        if not self._switch(new):
            return "the loop ended"
        self._say(state="probation")
        why = self._watched(old, how, budget_ms)
        with self._lock:
            why = self._failure or why
            if not why:
                self._old = None  # from here on a failure is the loop's
        if why and self.model is not old:
            self._switch(old)
        self._say(state="rolled-back" if why else "done", why=why)
        return ""

    def _reshape(self, old: Pixels, new: Pixels) -> None:
        """Where the models take different pictures, let only frames count that serve both."""
        if not alike(old, new):
            self._wish = self._want((old, new))
            self._say(reshaped=True)

    def _compared(self, new: Model, how: SwapHow) -> str:
        """Run the new model beside the loop's; why it will not do."""
        tally, until = Tally(), time.monotonic() + how.patience_s
        least = max(how.compare, int(self._status.reshaped))  # one that serves both must have come
        while tally.compared < least:
            if self._over.is_set() or time.monotonic() >= until:
                return f"only {tally.compared} of {least} frames came within {how.patience_s:g} s"
            self._shadow.compare(new, tally, self._named(), LOOK_S)
        self._tell(tally)
        if not how.compare:
            return ""
        return _disagrees(tally, how) or _slow(tally.times_ns, self._budget_ms(how))

    def _watched(self, old: Model, how: SwapHow, budget_ms: float) -> str:
        """Watch the new model at work; why it has to go."""
        tally, until = Tally(), time.monotonic() + how.patience_s
        why = ""
        while not why and self._since < how.probation and time.monotonic() < until and not self._over.is_set():
            if self._failure:
                break
            if how.compare:
                try:
                    self._shadow.compare(old, tally, self._named(), LOOK_S)
                except AgentError:  # the old one fails where the new one did not
                    tally = Tally()
            else:
                time.sleep(LOOK_S / 10)
            if tally.compared >= min(how.compare, FEW) > 0:
                why = _disagrees(tally, how)
            if self._since >= min(FEW, how.probation):
                why = why or _slow(list(self._times_ns), budget_ms)
        return why

    def _switch(self, model: Model) -> bool:
        """Have the loop take a model between two frames; False where the loop ends before."""
        with self._lock:
            if self._failure:  # it went back by itself
                return True
            self._taken.clear()
            self._wanted = model
        while not self._taken.wait(LOOK_S):
            if self._over.is_set():
                return False
        return True

    def _budget_ms(self, how: SwapHow) -> float:
        if how.latency_ms is not None:
            return how.latency_ms
        times_ns = list(self._times_ns)
        return FACTOR * statistics.median(times_ns) / 1e6 + SLACK_MS if times_ns else float("inf")

    def _named(self) -> tuple[int, float]:
        how = self._decide()
        return how.top, how.threshold

    def _tell(self, tally: Tally) -> None:
        times_ns = list(self._times_ns)
        self._say(
            compared=tally.compared,
            agreement=tally.share,
            latency_ms=statistics.median(tally.times_ns) / 1e6 if tally.times_ns else None,
            before_latency_ms=statistics.median(times_ns) / 1e6 if times_ns else None,
        )

    def _say(self, **changes: Any) -> None:
        with self._lock:
            self._status = replace(self._status, **changes)


def _check(how: SwapHow) -> None:
    counts = 0 <= how.compare <= MOST_FRAMES and 0 <= how.probation <= MOST_FRAMES
    latency = how.latency_ms is None or 0.0 < how.latency_ms <= 1e9
    if not (counts and latency and 0.0 <= how.agreement <= 1.0 and 0.0 < how.patience_s <= 1e6):
        raise BadRequest("a swap with numbers that make no sense", "counts from 0, agreement 0 to 1, times above 0")


def _disagrees(tally: Tally, how: SwapHow) -> str:
    share = tally.share
    if share is None or share >= how.agreement:
        return ""
    return f"both releases agree on {tally.agreed} of {tally.compared} frames, asked for is {how.agreement:.0%}"


def _slow(times_ns: list[int], budget_ms: float) -> str:
    if not times_ns:
        return ""
    took = statistics.median(times_ns) / 1e6
    return f"it takes {took:.2f} ms a frame, allowed are {budget_ms:.2f}" if took > budget_ms else ""
