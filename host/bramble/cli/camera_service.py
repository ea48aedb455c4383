"""``bramble camera start``, ``stop``, ``status``, ``logs`` and ``swap``: the loop as a service of a board."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any

import typer

from bramble.cli import camera_options as camera
from bramble.cli import options
from bramble.cli.camera import asked, ended_by_ctrl_c
from bramble.cli.known import known_board
from bramble.cli.one import Show, at_work
from bramble.cli.screen import show, show_json


def start(
    board: camera.BoardName,
    source: camera.Source,
    on: camera.Actions = None,
    threshold: camera.Thresholds = None,
    fps: camera.Fps = None,
    every: camera.Every = 1,
    motion: camera.Motion = 0.0,
    smooth: camera.Smooth = 0.0,
    hold: camera.Hold = 1,
    deadline: camera.Deadline = None,
    threads: options.Threads = 1,
    system: Annotated[bool, typer.Option("--system", help="A service of the system, not of the user.")] = False,
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE|SHARE%", help="The most memory it may use.")] = "50%",
    cpu: camera.Cpu = 0,
    page: camera.Page = "127.0.0.1:0",
    name: camera.Name = "camera",
    json: options.Json = False,
) -> None:
    """Run a board's camera loop as a systemd service: from now on, after every boot, and anew after a crash.

    It is tried on one frame first: what cannot work is refused, and what ran before runs on.
    """
    from bramble.fleet.camera.place import look, need_release
    from bramble.fleet.camera.request import on_board
    from bramble.fleet.camera.start import How, check_memory
    from bramble.fleet.camera.start import start as install
    from bramble.fleet.connect import connect

    wanted = asked(source, name, on, threshold, fps, every, motion, smooth, hold, deadline, threads, cpu, page)
    how = How(system, check_memory(memory), cpu)
    known = known_board(board)
    with at_work(board, Show(quiet=json)) as on_event, connect(known) as connection:
        place = look(connection, known)
        need_release(place, known)
        request = replace(on_board(wanted, place), tell="events")
        started = install(connection, known, place, request, how, on_event)
    if json:
        show_json(asdict(started))
        return
    show(f"{board}: {started.unit} runs ({started.kind}), release {started.release[:12]}")
    if started.to_type:
        typer.echo(
            f"warning: it ends when {known.user or 'its user'} logs out, and does not start at boot; "
            f"type on the board: {started.to_type}",
            err=True,
        )


def stop(board: camera.BoardName, name: camera.Name = "camera") -> None:
    """Stop a board's camera loop, now and for later boots; a loop in the foreground ends too."""
    from bramble.errors import CameraError
    from bramble.fleet.camera.place import look
    from bramble.fleet.camera.start import stop as stop_services
    from bramble.fleet.camera.swap import control
    from bramble.fleet.connect import connect
    from bramble_agent.wire_camera import ControlAsk

    known = known_board(board)
    with at_work(board, Show(steps=False)), connect(known) as connection:
        place = look(connection, known)
        units = stop_services(connection, known, place, name)
        if not units:
            try:
                control(connection, known, ControlAsk(place.root, name, "stop"))
            except CameraError as error:
                raise CameraError(f"{board}: no camera loop called {name!r} runs there", error.hint) from error
    show(f"{board}: stopped {', '.join(units) or 'the loop in the foreground'}")


def status(board: camera.BoardName, name: camera.Name = "camera", json: options.Json = False) -> None:
    """Show how a board's camera loop is doing; exit code 5 where none runs."""
    from bramble.fleet.camera.words import service_words, status_words
    from bramble_agent.codec import encode

    service, kind, loop, error = _state(board, name)
    if json:
        show_json({"service": service or None, "loop": encode(loop) if loop else None})
    else:
        if service:
            show(service_words(service, kind))
        for line in status_words(loop) if loop else ():
            show(line)
    if error is not None:
        raise error


def _state(board: str, name: str) -> tuple[dict[str, str], str, Any, Any]:
    """The unit's state and its kind, the loop's status, and why there is none."""
    from bramble.errors import CameraError
    from bramble.fleet.camera.manager import managers
    from bramble.fleet.camera.place import look
    from bramble.fleet.camera.swap import control
    from bramble.fleet.connect import connect
    from bramble_agent.wire_camera import ControlAsk

    known = known_board(board)
    with connect(known) as connection:
        place = look(connection, known)
        units = ((one.state(), one.kind) for one in managers(connection, known, place, name))
        service, kind = next((pair for pair in units if pair[0]), ({}, ""))
        try:
            return service, kind, control(connection, known, ControlAsk(place.root, name)), None
        except CameraError as error:
            return service, kind, None, error


def logs(
    board: camera.BoardName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes; Ctrl-C ends.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="So many of the last entries.")] = 50,
    name: camera.Name = "camera",
) -> None:
    """Show what a board's camera service has said: events, errors, starts and ends."""
    from bramble.errors import UsageError
    from bramble.fleet.camera import journal
    from bramble.fleet.camera.manager import managers
    from bramble.fleet.camera.place import look
    from bramble.fleet.camera.words import said_words
    from bramble.fleet.connect import connect

    def tell(one: journal.Entry) -> None:
        when = datetime.fromtimestamp(one.at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(f"{when} {said_words(one.said)}")

    known = known_board(board)
    with connect(known) as connection, ended_by_ctrl_c() as over:
        place = look(connection, known)
        manager = next((one for one in managers(connection, known, place, name) if one.state()), None)
        if manager is None:
            raise UsageError(f"{board}: there is no camera service called {name!r}", "bramble camera start makes one")
        if follow:
            journal.follow(manager, lines, tell, over)
            return
        for one in journal.entries(manager, lines):
            tell(one)


def swap(
    board: camera.BoardName,
    compare: Annotated[int, typer.Option("--compare", min=0, help="Live frames that both releases look at.")] = 32,
    agreement: Annotated[
        float, typer.Option("--agreement", min=0, max=1, help="The share of them on which both must name the same.")
    ] = 0.9,
    latency: Annotated[
        float | None, typer.Option("--latency", min=0.001, metavar="MS", help="The most that the new one may take.")
    ] = None,
    probation: Annotated[int, typer.Option("--probation", min=0, help="Frames it is watched for afterwards.")] = 128,
    patience: Annotated[
        float, typer.Option("--patience", min=1, metavar="S", help="For those frames to come.")
    ] = 120.0,
    name: camera.Name = "camera",
    json: options.Json = False,
) -> None:
    """Have the loop that runs take the board's current release, without losing a frame.

    Both are compared on live frames first. Where the new one breaches, the loop goes back, and so does the board's
    current release; exit code 7.
    """
    from bramble.errors import RolledBackError
    from bramble.fleet.camera.place import look, need_release
    from bramble.fleet.camera.swap import swap as swapping
    from bramble.fleet.camera.words import swap_words
    from bramble.fleet.connect import connect
    from bramble_agent.wire_camera import ControlAsk, SwapHow

    known = known_board(board)
    how = SwapHow("", compare, agreement, latency, probation, patience)
    with at_work(board, Show(quiet=json)) as on_event, connect(known) as connection:
        place = look(connection, known)
        need_release(place, known)
        swapped = swapping(connection, known, place, ControlAsk(place.root, name, "swap", swap=how), on_event)
    if json:
        show_json(asdict(swapped) if swapped else {"swap": None, "current": place.current, "link": "stays"})
    elif swapped is None:
        show(f"{board}: the loop looks with the current release {place.current[:12]} already")
    lines = list(swap_words(swapped)) if swapped else []
    if swapped and not swapped.ok:
        raise RolledBackError(f"{board}: {lines[0]}", "; ".join(lines[1:]))
    if not json:
        for line in lines:
            show(f"{board}: {line}" if line is lines[0] else line)
