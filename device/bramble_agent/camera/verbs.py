"""The agent's verbs "camera" and "control": what a request's JSON becomes.

A loop that was asked for on stdin ends when a further line comes there, or whoever asked is gone; one that a service
manager started tells it how it does (``notify``) and waits for its camera as long as that takes.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ..codec import decode
from ..oneself import ending_gently
from ..runtime import need_numpy
from ..wire_camera import CameraAnswer, CameraAsk, ControlAnswer, ControlAsk

if TYPE_CHECKING:
    from io import BufferedReader

SERVICES = (["--camera"], ["--supervised"])
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def answer(verb: str, body: Any, tell: Callable[[Any], None]) -> CameraAnswer | ControlAnswer:
    """The answer to "control", or to "camera" once its loop has ended; its lines go to ``tell``."""
    if verb == "control":
        ask = decode(ControlAsk, body, verb)
        from .control import command

        return ControlAnswer(command(ask))
    return _camera(decode(CameraAsk, body, verb), tell, service=sys.argv[1:2] in SERVICES)


def _camera(ask: CameraAsk, tell: Callable[[Any], None], service: bool) -> CameraAnswer:
    need_numpy()
    from .loop import run
    from .notify import heart
    from .openers import LASTING, OPENERS

    stop = threading.Event()
    for number in ENDS:
        signal.signal(number, lambda *_: stop.set())
    if service:
        faulthandler.enable()  # a watchdog ends us by SIGABRT: then every thread says where it is
    else:
        threading.Thread(target=_end_by_word, args=(stop, _said_already()), name="last word", daemon=True).start()
    with ending_gently(stop.set):
        return run(ask, tell, stop, LASTING if service else OPENERS, heart().hooks())


def _end_by_word(stop: threading.Event, said: bytes) -> None:
    """Whoever asked says one more line to end the loop; the mere end of stdin means nothing."""
    if said or os.read(0, 1):  # not by sys.stdin: its lock would be held while Python ends
        stop.set()


def _said_already() -> bytes:
    """What came on stdin behind the request, and was read with it."""
    os.set_blocking(0, False)
    try:
        return cast("BufferedReader", sys.stdin.buffer).peek(1)[:1]
    finally:
        os.set_blocking(0, True)
