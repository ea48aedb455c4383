"""The command line: the product's table of contents, in the order of the work.

Only typer is imported here; each verb imports what it needs when it runs, so that --help answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from bramble import __version__
from bramble.errors import BrambleError
from bramble_agent.errors import AgentError

app = typer.Typer(
    help="Train, compress, quantize, deploy and measure TFLite models on Raspberry Pi and other ARM boards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would double the time that --help takes
)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        typer.echo(f"bramble {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; every failure is one message, what to do next, and an exit code."""
    from bramble.cli.screen import show_error
    from bramble.errors import from_agent

    _register()
    try:
        app()
    except BrambleError as error:
        show_error(error.message, error.hint)
        sys.exit(error.exit_code)
    except AgentError as error:  # the shared code that boards run failed here
        mapped = from_agent(error.code, error.message, error.hint)
        show_error(mapped.message, mapped.hint)
        sys.exit(mapped.exit_code)


def _register() -> None:
    from bramble.cli import (
        bench,
        board,
        board_groups,
        build,
        camera,
        camera_service,
        camera_view,
        deploy,
        import_,
        init,
        inspect,
        look,
        probe,
        push,
        rollback,
        setup,
        signers,
        verify,
    )

    _add(init.init, look.models, look.data, build.build)
    app.command("import")(import_.import_)  # a word of Python's own
    _add(inspect.inspect)
    _add(probe.probe, setup.setup, board_groups.tag, board_groups.group, signers.signers, to=board.app)
    app.add_typer(board.app, name="board")
    service = camera_service
    _add(service.start, service.stop, service.status, service.logs, service.swap, to=camera.app)
    _add(camera_view.view, to=camera.app)
    _add(push.push, rollback.rollback, verify.verify, bench.bench, deploy.deploy, look.report, look.check, look.schema)
    app.add_typer(camera.app, name="camera")


def _add(*verbs: Callable[..., None], to: typer.Typer = app) -> None:
    for verb in verbs:
        to.command()(verb)
