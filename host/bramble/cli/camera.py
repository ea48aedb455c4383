"""``bramble camera``: a board that looks, decides and acts; here in the foreground."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bramble.cli import camera_options as camera
from bramble.cli import options
from bramble.cli.known import known_board

if TYPE_CHECKING:
    from bramble_agent.wire_camera import CameraAsk, Decide

app = typer.Typer(
    help="Let a board look through its camera: in the foreground, or as a service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def run(
    board: camera.BoardName,
    source: camera.Source,
    once: Annotated[bool, typer.Option("--once", help="Look at one frame only.")] = False,
    frames: Annotated[
        int | None, typer.Option("--frames", min=1, metavar="N", help="End after it looked at N frames.")
    ] = None,
    on: camera.Actions = None,
    threshold: camera.Thresholds = None,
    fps: camera.Fps = None,
    every: camera.Every = 1,
    motion: camera.Motion = 0.0,
    smooth: camera.Smooth = 0.0,
    hold: camera.Hold = 1,
    deadline: camera.Deadline = None,
    threads: options.Threads = 1,
    cpu: camera.Cpu = 0,
    page: camera.Page = "off",
    name: camera.Name = "camera",
    supervise: Annotated[
        bool, typer.Option("--supervise", help="Start it anew when it fails, as a service would; without systemd.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON line a frame on stdout.")] = False,
) -> None:
    """Run a board's camera loop here and now, and show what it sees; Ctrl-C ends it.

    It looks with the board's current release. With --json every line has at least frame, age_ms, label and score.
    """
    from bramble.fleet.camera.place import look, need_release
    from bramble.fleet.camera.request import on_board
    from bramble.fleet.camera.watch import supervise as supervised
    from bramble.fleet.camera.watch import watch
    from bramble.fleet.camera.words import begin_words, end_words
    from bramble.fleet.connect import connect

    wanted = asked(source, name, on, threshold, fps, every, motion, smooth, hold, deadline, threads, cpu, page)
    wanted = replace(wanted, frames=1 if once else frames)
    with (
        connect(known := known_board(board)) as connection,
        ended_by_ctrl_c() as over,
        showing(json, wanted.decide) as show_line,
    ):
        place = look(connection, known)
        need_release(place, known)
        request = on_board(wanted, place)
        typer.echo(begin_words(request, place, board), err=True)
        if supervise:
            supervised(connection, known, request, show_line, over)
            return
        answer = watch(connection, known, request, show_line, over)
    typer.echo(end_words(answer), err=True)


def asked(
    source: str,
    name: str,
    on: list[str] | None,
    threshold: list[str] | None,
    fps: float | None,
    every: int,
    motion: float,
    smooth: float,
    hold: int,
    deadline: float | None,
    threads: int,
    cpu: int,
    page: str,
) -> CameraAsk:
    """What the loop is asked for, but for the board's places."""
    from bramble.fleet.camera.request import thresholds
    from bramble_agent.wire_camera import CameraAsk, Decide

    of_all, of_some = thresholds(threshold or [])
    decide = Decide(thresholds=of_some, smooth=smooth, hold=hold)
    decide = decide if of_all is None else replace(decide, threshold=of_all)
    return CameraAsk(
        bundle="",
        source=source,
        name=name,
        threads=threads,
        fps=fps,
        every=every,
        motion=motion,
        decide=decide,
        actions=tuple(on or ()),
        deadline_ms=deadline,
        cpu=cpu / 100 if cpu else None,
        page="" if page == "off" else page,
    )


@contextmanager
def ended_by_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Within, the first Ctrl-C (or SIGTERM) is a wish that the function given tells; a second one breaks off."""
    wish = Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        wish.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield wish.is_set
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def showing(json: bool, decide: Decide) -> Iterator[Callable[[dict[str, Any]], None]]:
    """What shows a loop's lines: as JSON; on a terminal in one line that changes; elsewhere where the label does."""
    from bramble.fleet.camera.words import line_words

    live, last = not json and sys.stdout.isatty(), None

    def show_line(line: dict[str, Any]) -> None:
        nonlocal last
        if json and "frame" in line:
            _json_line(line)
        elif json:
            typer.echo(line_words(line), err=True)
        elif "frame" not in line:
            last = None
            typer.echo(f"\r\x1b[K{line_words(line, decide)}" if live else line_words(line, decide))
        elif live:
            typer.echo(f"\r\x1b[K{line_words(line, decide)}", nl=False)
        elif (line["label"],) != last:
            last = (line["label"],)
            typer.echo(line_words(line, decide))

    try:
        yield show_line
    finally:
        if live:
            typer.echo()


def _json_line(line: dict[str, Any]) -> None:
    from json import dumps

    typer.echo(dumps(line, ensure_ascii=False))
