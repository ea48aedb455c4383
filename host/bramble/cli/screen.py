"""What a person sees: progress while work runs, errors in one piece, nothing of the chatter of C++ libraries.

Results go to stdout, everything else to stderr. While work runs, fd 1 and 2 lead into a log file: TensorFlow prints
there at will; our own lines go to private copies of the real ones.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bramble.events import EpochEnded, EpochStep, Event, Note, OnEvent, StageBegan

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.progress import Progress, TaskID
    from rich.spinner import Spinner

INTERRUPTED = 130
WIDE = 10_000  # columns where nobody looks: nothing is cut in a pipe


def show_error(message: str, hint: str) -> None:
    """One error on stderr: what happened, and what to do next."""
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print("bramble: ", style="bold red", end="")
    console.print(message, markup=False)
    if hint:
        console.print(f"  → {hint}", style="dim", markup=False)


def show(thing: object) -> None:
    """Print something rich can render on stdout, uncut in a pipe; text as it is: names may look like markup."""
    from rich.console import Console

    at_terminal = sys.stdout.isatty()
    width = None if at_terminal else WIDE
    Console(soft_wrap=not at_terminal, width=width, highlight=False, markup=False, emoji=False).print(thing)


def drawing(stderr: Any) -> tuple[Console, Spinner]:
    """What lines are drawn on, names in them as they are, and a spinner to be among them."""
    from rich.console import Console
    from rich.spinner import Spinner

    return Console(file=stderr, force_terminal=True, highlight=False, markup=False, emoji=False), Spinner("dots")


def live(console: Console, drawn: Callable[[], RenderableType], transient: bool = False) -> Live:
    """What draws ``drawn()`` anew as time goes by; ``transient``: nothing of it stays at the end."""
    from rich.live import Live

    return Live(
        console=console,
        get_renderable=drawn,
        refresh_per_second=8,
        transient=transient,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def show_json(value: Any) -> None:
    """Print JSON on stdout."""
    import json

    json.dump(value, sys.stdout, ensure_ascii=False, indent=None if _is_big(value) else 1)
    sys.stdout.write("\n")


@contextmanager
def watching() -> Iterator[OnEvent]:
    """Show events while work runs inside: live bars on a terminal, a line a stage elsewhere.

    Ctrl-C says that finished stages are kept and exits with 130.
    """
    with chatter_caught() as stderr:
        watcher = _Live(stderr) if stderr.isatty() else _Plain(stderr)
        try:
            with watcher, _interrupts() as pressed:

                def tell(event: Event) -> None:
                    if pressed:
                        raise KeyboardInterrupt
                    watcher(event)

                yield tell
        except KeyboardInterrupt:
            print("interrupted; finished stages are kept, the same command goes on from there", file=stderr)
            raise SystemExit(INTERRUPTED) from None


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Remember a Ctrl-C: raised inside a finalizer or a callback of TensorFlow's, the exception is lost there."""
    pressed: list[int] = []

    def note(number: int, _: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    heeded = before is signal.default_int_handler  # a job in the background ignores it, and so do we
    if heeded:
        signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        if heeded:
            signal.signal(signal.SIGINT, before)


@contextmanager
def chatter_caught() -> Iterator[Any]:
    """Lead fd 1 and 2 into a temporary file; gives a text file that still writes to the real stderr."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as log, os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8") as stderr:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield stderr
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, handle in enumerate(saved, 1):
                os.dup2(handle, number)
                os.close(handle)


class _Plain:
    """A line a stage and a note, for logs and pipes."""

    def __init__(self, stderr: Any) -> None:
        self._stderr = stderr

    def __enter__(self) -> _Plain:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageBegan):
            state = "cached" if event.cached else "…"
            self._say(f"[{event.number}/{event.of}] {event.name} {state}")
        elif isinstance(event, Note):
            self._say(f"{'warning: ' if event.warning else ''}{event.text}")
        elif isinstance(event, EpochEnded) and event.epoch == event.epochs:
            self._say(f"      loss {event.loss:.4f}, held-out accuracy {event.held_out_accuracy:.2%}")

    def _say(self, text: str) -> None:
        self._stderr.write(text + "\n")


class _Live:
    """A bar a stage: epochs, loss, accuracy, time left."""

    def __init__(self, stderr: Any) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

        self._console = Console(file=stderr, force_terminal=True, highlight=False)
        self._progress: Progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> _Live:
        self._progress.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._finish()
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        match event:
            case StageBegan():
                self._finish()
                state = "cached" if event.cached else ""
                self._task = self._progress.add_task(
                    f"{event.number}/{event.of} {event.name}", total=None, figures=state
                )
            case EpochStep():
                self._update((event.epoch - 1) * event.steps + event.done, event.epochs * event.steps, None)
            case EpochEnded():
                told = (
                    f"epoch {event.epoch}/{event.epochs} loss {event.loss:.4f} held-out {event.held_out_accuracy:.2%}"
                )
                self._update(None, None, told)
            case Note():
                self._console.print(event.text, style="yellow" if event.warning else "dim", markup=False)

    def _update(self, done: int | None, of: int | None, figures: str | None) -> None:
        if self._task is not None:
            told = {} if figures is None else {"figures": figures}
            self._progress.update(self._task, completed=done, total=of, **told)  # type: ignore[arg-type]

    def _finish(self) -> None:
        if self._task is not None:
            self._progress.update(self._task, total=1, completed=1)
            self._task = None


def _is_big(value: Any) -> bool:
    return isinstance(value, dict) and "latency" in value
