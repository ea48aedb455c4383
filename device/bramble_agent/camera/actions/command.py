"""A program of the user's is run for each event: no shell, the event as JSON on its stdin.

Exit status 0 is done, 75 (EX_TEMPFAIL of sysexits.h) "try again later"; anything else, or taking too long, is counted
as refused. It has a process group of its own, of which nothing is left when it ends. The end of what it says is kept.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, List

from ...errors import ActionFailed, ActionRefused, BadRequest
from ..event import Event, event_json
from .settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN = ("arg", "timeout")
AGAIN = os.EX_TEMPFAIL
OUTPUT = 4_096
SAID = 200
LOOK_S = 0.2


class Command:
    """An action."""

    pictures = False
    kept = True

    def __init__(self, program: str, settings: Settings) -> None:
        """``arg`` (any number) are its arguments, ``timeout`` the seconds it may take (10)."""
        self._program = str(Path(program).expanduser())
        self._run = [self._program, *settings.all("arg")]
        self._timeout_s = settings.seconds("timeout", 10.0, 3_600.0)

    def open(self) -> None:
        """Look whether it is there. Raises BadRequest."""
        if not os.path.isabs(self._program):
            raise BadRequest(f"command:{self._program} is no whole path", "give one from / on, like /usr/bin/logger")
        if not os.path.isfile(self._program):
            raise BadRequest(f"there is no program {self._program}", "it must be on this board")
        if not os.access(self._program, os.X_OK):
            raise BadRequest(f"{self._program} may not be run", f"chmod +x {self._program}")

    def act(self, event: Event, picture: NDArray[Any] | None) -> None:
        """Run it to its end. Raises ActionFailed if it asks for another try, ActionRefused if it fails."""
        asked = os.memfd_create("event")
        try:
            os.write(asked, json.dumps(event_json(event)).encode() + b"\n")
            os.lseek(asked, 0, os.SEEK_SET)
            status, said = self._ran(asked)
        except OSError as error:
            raise ActionFailed(f"{self._program}: {error.strerror}") from error
        finally:
            os.close(asked)
        name, said = os.path.basename(self._program), f": {said}" if said else ""
        if status is None:
            raise ActionRefused(f"{name} took more than {self._timeout_s:g} s and was ended", "raise ?timeout=")
        if status == AGAIN:
            raise ActionFailed(f"{name} asks to be run again{said}")
        if status:
            how = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
            raise ActionRefused(f"{name} {how}{said}", f"it is tried again only where it ends with status {AGAIN}")

    def _ran(self, asked: int) -> tuple[int | None, str]:
        """Its exit status, None where it took too long, and the end of what it said."""
        heard: List[bytes] = [b""]
        over = threading.Event()
        with subprocess.Popen(
            self._run, stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        ) as process:
            ears = threading.Thread(target=_hear, args=(process.stdout, heard, over), daemon=True)
            ears.start()
            try:
                status: int | None = process.wait(self._timeout_s)
            except subprocess.TimeoutExpired:
                status = None
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            over.set()
            ears.join()
        return status, heard[0].decode("utf-8", "replace").strip()[-SAID:]

    def close(self) -> None:
        """Nothing is held."""


def _hear(pipe: IO[bytes] | None, heard: List[bytes], over: threading.Event) -> None:
    """Read to the end, and keep the last of it. What the program left behind may hold the other end open for ever."""
    while pipe is not None:
        last = over.is_set()
        if select.select([pipe], [], [], 0.0 if last else LOOK_S)[0]:
            got = os.read(pipe.fileno(), OUTPUT)
            heard[0] = (heard[0] + got)[-OUTPUT:]
            if got and not last:
                continue
            return
        if last:
            return
