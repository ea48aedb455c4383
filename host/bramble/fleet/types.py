"""What a board is to the host, and what a way of reaching one must be able to do.

``Connection`` is the seam: ``local`` and ``ssh`` fulfil it, everything above is the same for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bramble.fleet.follow import Follow

LOCAL = "local"


@dataclass(frozen=True)
class Board:
    """A board of the inventory. ``host`` is empty for this machine; there is no password field on purpose.

    ``host`` may be a Host of ~/.ssh/config. ``host_key`` is the pinned SSH host key ("type base64"), ``jump`` the hops
    on the way there, as in ProxyJump (empty: what ~/.ssh/config says), ``python`` the interpreter that runs the agent;
    ``tags`` are words to choose boards by ("tag:kitchen").
    """

    name: str
    host: str = ""
    user: str = ""
    port: int = 22
    host_key: str = ""
    key_file: str = ""
    python: str = "python3"
    root: str = "~/.bramble"
    jump: str = ""
    tags: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The board as a person writes it: user@host:port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}" if self.host else "this machine"


@dataclass(frozen=True)
class Done:
    """A finished command. ``status`` is negative where a signal ended it: -number, over SSH -1 for any of them."""

    status: int
    stdout: bytes
    stderr: bytes


class Connection(Protocol):
    """An open way to a board. A path is absolute, or relative to the folder where commands start there.

    ``root`` is the board's folder as such a path.
    """

    root: str

    def run(self, argv: Sequence[str], stdin: bytes | Iterable[bytes], timeout_s: float) -> Done:
        """Run a command to its end. Raises UnreachableError where the link breaks or time runs out.

        Blocks are pulled only as fast as the board takes them, and not further once the command has ended;
        ``timeout_s`` then counts from the last byte that moved, for bytes from the start. What the maker of the blocks
        raises comes through. A command whose input is given up half-way sees an end there: it must know what is whole.
        """
        ...

    def follow(self, argv: Sequence[str], how: Follow) -> Done:
        """Run a command and hand on its lines as they come; ``Done`` has the end of stderr, and no output.

        Raises UnreachableError where the link breaks, or the command does not end though it was told to.
        """
        ...

    def put(self, source: Path, target: str) -> None:
        """Copy a file there, making its folder. Raises StorageError where it does not fit, UnreachableError."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Rename on the board, replacing what is there, in one step. Raises StorageError, UnreachableError."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
