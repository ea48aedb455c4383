"""Make root file systems, or start one board by hand and say how to log in.

python -m virtual_board build [KIND…]
python -m virtual_board start KIND      until Ctrl-C
"""

from __future__ import annotations

import signal
import sys

from .kinds import KINDS
from .machine import running
from .needs import MissingError, check_machine
from .rootfs import ready


def main(words: list[str]) -> str:
    """Do as told; give what is wrong, or nothing."""
    verb, names = (words[0], words[1:]) if words else ("", [])
    if verb not in ("build", "start") or not set(names) <= KINDS.keys() or (verb == "start" and len(names) != 1):
        return f"{__doc__}\nkinds: {', '.join(KINDS)}"
    try:
        if verb == "start":
            _start(names[0])
        for name in names or KINDS:
            if verb == "build":
                check_machine(KINDS[name])
                print(ready(KINDS[name]), flush=True)
    except MissingError as error:
        return str(error)
    return ""


def _start(name: str) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(KINDS[name]) as machine:
            board = machine.board
            options = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o IdentitiesOnly=yes"
            print(
                f"ssh -p {board.port} -i {board.key_file} {options} {board.user}@{board.host}  # {machine.pid}",
                flush=True,
            )
            signal.pause()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
