"""One request, one answer: a line of JSON on stdin, JSON on a private copy of stdout, then exit.

Files that a request announces follow it on stdin. Another agent may ask more than once (``serve``). A camera's answer
comes after lines of JSON: {"version", "line"}. ``--camera FILE.json`` reads that request from a file, for a service;
``--supervise FILE.json`` starts that service anew whenever it fails, where no systemd does.

C libraries print to fd 1 and would corrupt the answer: so fd 1 is copied for us and then pointed at stderr. Exit
status: 0 answered, 1 refused (an error answer says why), 2 crashed (an error answer carries the traceback).
"""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from .codec import decode, encode
from .errors import AgentError, BadRequest
from .oneself import breathing, end_with_parent
from .wire import WIRE_VERSION, BenchAnswer, BenchAsk, ErrorAnswer, ProbeAnswer, ProbeAsk, VerifyAsk
from .wire_install import InstallAsk
from .wire_release import ReleaseAsk, RollbackAsk, TakeAsk

if TYPE_CHECKING:
    from io import BufferedIOBase

    from .bundle import Bundle

ASKS = {
    "probe": ProbeAsk,
    "verify": VerifyAsk,
    "bench": BenchAsk,
    "take": TakeAsk,
    "release": ReleaseAsk,
    "rollback": RollbackAsk,
    "install": InstallAsk,
}
OF_CAMERA = ("camera", "control")  # an agent that holds the package ``camera`` knows these too
SERVICE, SUPERVISED, SUPERVISE = "--camera", "--supervised", "--supervise"
Tell = Callable[[Any], None]

LIMIT_BYTES = 16 << 20  # of a request; what follows it on stdin is not part of it


def main() -> int:
    """Read one request, answer it, and return the exit status."""
    mode = sys.argv[1] if sys.argv[1:] else ""
    with _private_stdout(alone=mode == SERVICE) as out:  # a service: whoever started it may go
        if mode == SUPERVISE:
            from .camera.supervise import supervised

            return supervised((SUPERVISED, *sys.argv[2:]), out)
        read = _from_file if mode in (SERVICE, SUPERVISED) else _from_stdin
        answer, status = _answered(read, lambda line: _tell(out, line))
        out.write(answer)
    return status


def serve() -> None:
    """Answer requests without files, a line each, until there are no more."""
    with _private_stdout() as out:
        for raw in sys.stdin.buffer:
            out.write(_answered(functools.partial(bytes, raw), lambda line: _tell(out, line))[0] + "\n")
            out.flush()


def _from_stdin() -> bytes:
    return sys.stdin.buffer.readline(LIMIT_BYTES)


def _from_file() -> bytes:
    """A camera's request out of the file that the command line names."""
    if len(sys.argv) != 3:
        raise BadRequest(f"{sys.argv[1]} takes one file", f"{sys.argv[1]} FILE.json, which holds a request")
    try:
        with open(sys.argv[2], "rb") as stream:
            return stream.read(LIMIT_BYTES)
    except OSError as error:
        raise BadRequest(f"{sys.argv[2]}: {error.strerror}", "name a file that holds a request") from error


def _tell(out: IO[str], line: Any) -> None:
    """A line that comes before the answer."""
    out.write(json.dumps({"version": WIRE_VERSION, "line": line}) + "\n")
    out.flush()


def _private_stdout(alone: bool = False) -> IO[str]:
    if not alone:
        end_with_parent()
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "w", encoding="utf-8")


def _answered(read: Callable[[], bytes], tell: Tell) -> tuple[str, int]:
    """The answer to a request as JSON, and the exit status."""
    try:
        answer, status = {"answer": encode(_serve(read(), tell))}, 0
    except AgentError as error:
        answer, status = {"error": encode(ErrorAnswer(error.code, error.message, error.hint))}, 1
    except Exception as error:  # noqa: BLE001 - the agent's outer border: a crash must still be an answer
        crash = ErrorAnswer("crash", f"{type(error).__name__}: {error}", traceback.format_exc())
        answer, status = {"error": encode(crash)}, 2
    return json.dumps({"version": WIRE_VERSION, **answer}), status


def _serve(raw: bytes, tell: Tell) -> Any:
    try:
        request = json.loads(raw)
        version, verb, body = request["version"], request["ask"], request["body"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadRequest(f"not a request: {error}", "the host must send one JSON object on stdin") from error
    if version != WIRE_VERSION:
        raise BadRequest(f"wire version {version}, this agent speaks {WIRE_VERSION}", "update the older side")
    if verb in OF_CAMERA:
        from .camera.verbs import answer

        return answer(verb, body, tell)
    if not isinstance(verb, str) or verb not in ASKS:
        raise BadRequest(f"unknown request {verb!r}", f"one of {', '.join((*ASKS, *OF_CAMERA))}")
    return _dispatch(decode(ASKS[verb], body, verb))


def _dispatch(ask: Any) -> Any:
    """The answer to a decoded request; imports only what that request needs."""
    if isinstance(ask, ProbeAsk):
        from . import board

        return ProbeAnswer(board.facts(Path(ask.root).expanduser()), board.snapshot())
    if isinstance(ask, InstallAsk):
        from .install import install

        return install(ask)
    if isinstance(ask, VerifyAsk):
        bundle = _opened(ask.bundle)
        from .verify import verify

        return verify(bundle, ask.threads)
    if isinstance(ask, BenchAsk):
        return _bench(ask)
    return _keep(ask)


def _keep(ask: Any) -> Any:
    """The answer to a request about releases."""
    stdin = cast("BufferedIOBase", sys.stdin.buffer)
    if isinstance(ask, ReleaseAsk):
        from .release import release

        with breathing():
            return release(ask, stdin)
    if isinstance(ask, RollbackAsk):
        from .release import rollback

        return rollback(ask)
    from .store import take

    return take(ask, stdin)


def _bench(ask: BenchAsk) -> BenchAnswer:
    """Bench, alone on the board if its root is known."""
    from .lease import leased

    with leased(Path(ask.root).expanduser(), ask.who, ask.wait_s) if ask.root else nullcontext():
        bundle = _opened(ask.bundle)
        from .bench import bench

        return bench(bundle, ask)


def _opened(bundle: str) -> Bundle:
    """The bundle at that path, checked, and NumPy made sure of before anything that needs it is imported."""
    from .bundle import open_bundle
    from .runtime import need_numpy

    found = open_bundle(Path(bundle).expanduser())
    need_numpy()
    return found


if __name__ == "__main__":
    sys.exit(main())
