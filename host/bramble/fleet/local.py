"""This machine as a board: the same steps as over SSH, with copies and processes of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bramble.errors import StorageError, UnreachableError
from bramble.fleet.types import Board, Done


class LocalConnection:
    """A ``Connection`` to this machine."""

    def __init__(self, board: Board) -> None:
        self.root = str(Path(board.root).expanduser())

    def run(self, argv: Sequence[str], stdin: bytes, timeout_s: float) -> Done:
        """Run a command as a child process."""
        try:
            done = subprocess.run(list(argv), input=stdin, capture_output=True, timeout=timeout_s, check=False)
        except FileNotFoundError:
            return Done(127, b"", f"{argv[0]}: not found".encode())
        except OSError as error:  # the statuses are those of a shell, as over SSH
            return Done(126, b"", f"{argv[0]}: {error.strerror}".encode())
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"no answer after {timeout_s:g} s", "the machine may be overloaded") from error
        return Done(done.returncode, done.stdout, done.stderr)

    def size(self, path: str) -> int | None:
        """The size of a file, None where there is none."""
        with _storage(f"look at {path}"):
            return Path(path).stat().st_size if Path(path).is_file() else None

    def put(self, source: Path, target: str) -> None:
        """Copy a file; what arrived of one that does not fit is removed."""
        with _storage(f"write {target}"):
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(source, target)
            except OSError:
                Path(target).unlink(missing_ok=True)
                raise

    def rename(self, source: str, target: str) -> None:
        """Rename, replacing."""
        with _storage(f"write {target}"):
            Path(source).replace(target)

    def close(self) -> None:
        """Nothing to end."""


@contextmanager
def _storage(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot {what}: {error.strerror}", "free some space, or check the folder") from error
