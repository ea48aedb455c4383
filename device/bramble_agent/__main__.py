"""One request, one answer: a line of JSON on stdin, JSON on a private copy of stdout, then exit.

Files that a request announces follow it on stdin. Another agent may ask more than once (``serve``).

C libraries print to fd 1 and would corrupt the answer: so fd 1 is copied for us and then pointed at stderr. Exit
status: 0 answered, 1 refused (an error answer says why), 2 crashed (an error answer carries the traceback).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
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
LIMIT_BYTES = 16 << 20  # of a request; what follows it on stdin is not part of it


def main() -> int:
    """Read one request, answer it, and return the exit status."""
    with _private_stdout() as out:
        answer, status = _answered(sys.stdin.buffer.readline(LIMIT_BYTES))
        out.write(answer)
    return status


def serve() -> None:
    """Answer requests without files, a line each, until there are no more."""
    with _private_stdout() as out:
        for raw in sys.stdin.buffer:
            out.write(_answered(raw)[0] + "\n")
            out.flush()


def _private_stdout() -> IO[str]:
    end_with_parent()
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "w", encoding="utf-8")


def _answered(raw: bytes) -> tuple[str, int]:
    """The answer to a request as JSON, and the exit status."""
    try:
        answer, status = {"answer": encode(_serve(raw))}, 0
    except AgentError as error:
        answer, status = {"error": encode(ErrorAnswer(error.code, error.message, error.hint))}, 1
    except Exception as error:  # noqa: BLE001 - the agent's outer border: a crash must still be an answer
        crash = ErrorAnswer("crash", f"{type(error).__name__}: {error}", traceback.format_exc())
        answer, status = {"error": encode(crash)}, 2
    return json.dumps({"version": WIRE_VERSION, **answer}), status


def _serve(raw: bytes) -> Any:
    try:
        request = json.loads(raw)
        version, verb, body = request["version"], request["ask"], request["body"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadRequest(f"not a request: {error}", "the host must send one JSON object on stdin") from error
    if version != WIRE_VERSION:
        raise BadRequest(f"wire version {version}, this agent speaks {WIRE_VERSION}", "update the older side")
    if not isinstance(verb, str) or verb not in ASKS:
        raise BadRequest(f"unknown request {verb!r}", f"one of {', '.join(ASKS)}")
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
