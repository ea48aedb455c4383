"""A blank board, an SSH server here, becomes ready: stopped at any step, damaged, twice at once; again for free.

The wheels are those of this environment packed again: a real pip installs a real runtime, which runs a real model.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import pytest

from bramble.deploy import Measure, deploy
from bramble.errors import IncompatibleError, StorageError, UnreachableError, UsageError
from bramble.events import Event, Note
from bramble.fleet.connect import connect
from bramble.fleet.inventory import boards, local_board
from bramble.fleet.probe.probe import survey
from bramble.fleet.probe.survey import Survey
from bramble.fleet.setup.choose import Wish
from bramble.fleet.setup.setup import Ready, set_up
from bramble.fleet.types import Board, Connection, Done
from bramble_agent.bundle import Bundle
from proxy import Faults, proxied
from serving import Server, board_of
from wheelhouse import AARCH64, TAG, library, make_wheel

T = TypeVar("T")
RUNTIME = f"ai-edge-litert {version('ai-edge-litert')}"


def quiet(event: Event) -> None:
    """Watch nothing."""


def look(board: Board, connection: Connection, **changes: object) -> Survey:
    """The board's survey, of the Python alone that the test names: no other of this machine is a candidate."""
    seen = survey(connection, pythons=(sys.executable,))
    return replace(seen, pythons=tuple(one for one in seen.pythons if one.path == sys.executable), **changes)  # type: ignore[arg-type]


def set_up_again(board: Board, wheels: Path, on_event: Callable[[Event], None] = quiet, runtime: str = "") -> Ready:
    """Set a board up over a connection of its own, as the inventory knows it by now."""
    known = boards().get(board.name, board)
    with connect(known) as connection:
        return set_up(connection, known, look(known, connection), Wish(runtime, wheels), on_event)


def tree(root: Path) -> dict[str, float]:
    """Every entry below a folder with its time of change, links not followed."""
    return {str(path.relative_to(root)): path.lstat().st_mtime for path in root.rglob("*")}


@pytest.mark.slow
def test_blank_board(ssh_board: Board, wheels: Path, root: Path, bundle: Bundle) -> None:
    """A blank board gets the runtime, is remembered with its new Python, and runs a bundle; again nothing is done."""
    told: list[Event] = []
    first = set_up_again(ssh_board, wheels, told.append)
    assert first.sent_bytes == sum(path.stat().st_size for path in wheels.glob("*.whl"))
    assert (first.runtime, first.numpy, first.changed) == (RUNTIME, version("numpy"), True)
    assert first.python == f"{root}/venv/bin/python"
    assert boards()["pi"] == replace(ssh_board, python=first.python)
    lines = [event.text for event in told if isinstance(event, Note)]
    assert [line.split()[1] for line in lines] == [
        *("choosing", "ai-edge-litert", "looking", "sending", "installing"),
    ]

    before = tree(root)
    told.clear()
    assert set_up_again(ssh_board, wheels, told.append) == replace(first, sent_bytes=0, changed=False)
    assert len(told) == 1
    assert tree(root) == before

    report = deploy(bundle, boards()["pi"], Measure("quick"), quiet)
    assert report.verify.ok
    assert report.facts.pillow == version("pillow")
    assert report.bench.runtime == RUNTIME


class Breaking:
    """A connection that breaks, once, before or after the first use of a kind that no connection broke at before."""

    def __init__(self, inner: Connection, broken: set[str], after: bool) -> None:
        """Wrap ``inner``; ``broken`` are the kinds, and grows."""
        self.root, self.inner, self.broken, self.after = inner.root, inner, broken, after

    def _use(self, kind: str, work: Callable[[], T]) -> T:
        fresh = kind not in self.broken
        self.broken.add(kind)
        done = None if fresh and not self.after else work()
        if fresh or done is None:
            raise UnreachableError("pi: the connection broke")
        return done

    def run(self, argv: Sequence[str], stdin: bytes | Iterable[bytes], timeout_s: float) -> Done:
        """Run a command, or break; a request to the agent is of another kind once the wheels are there."""
        kind = f"run {argv[1]} {argv[-1].rpartition('/')[2][:10]}"
        if not isinstance(stdin, bytes):
            kind = "send"
        elif stdin:
            kind = f"ask {b'.whl' in stdin} {len(list(Path(self.root).glob('blobs/*')))}"
        return self._use(kind, lambda: self.inner.run(argv, stdin, timeout_s))

    def put(self, source: Path, target: str) -> None:
        """Upload, or break."""
        self._use(f"put {source.name}", lambda: [self.inner.put(source, target)])

    def rename(self, source: str, target: str) -> None:
        """Rename, or break."""
        self._use(f"rename {target.rpartition('/')[2]}", lambda: [self.inner.rename(source, target)])

    def close(self) -> None:
        """Nothing to do: the inner one is closed by whoever made it."""


@pytest.fixture
def patient(hang_guard: None) -> None:
    """Ten minutes before a test is said to hang: a whole setup, several times."""
    signal.alarm(600)


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_broken_at_every_step(ssh_board: Board, wheels: Path, root: Path, after: bool) -> None:
    """Wherever the connection breaks, what was in use stays, and the next attempt goes on; at last all is ready."""
    old = root / "venvs/old/bin"
    old.mkdir(parents=True)
    (root / "venv").symlink_to("venvs/old")
    broken: set[str] = set()
    with connect(ssh_board) as connection:
        seen = look(ssh_board, connection)
        ready = None
        while ready is None:
            before = len(broken)
            try:
                ready = set_up(Breaking(connection, broken, after), ssh_board, seen, Wish("", wheels), quiet)
            except UnreachableError:
                assert len(broken) > before
                assert len(list(Path(root).glob("blobs/*"))) == 4 or (root / "venv").readlink().name == "old"
                assert "pi" not in boards()
    assert len([kind for kind in broken if kind.startswith("put")]) == 1  # the agent
    assert len([kind for kind in broken if kind.startswith("rename")]) == 1
    assert "send" in broken
    assert {kind for kind in broken if kind.startswith("ask")} >= {"ask True 0", "ask True 4"}
    assert ready.runtime == RUNTIME
    assert ready.changed != after  # where the answer alone was lost, the work was done
    assert (root / "venv").readlink().name != "old"
    assert old.exists()
    assert list((root / "venvs").glob(".fresh-*")) == []
    assert ready.sent_bytes == 0  # all were there when an earlier attempt broke
    assert boards()["pi"].python == ready.python


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_lost_and_damaged_on_the_card(ssh_board: Board, wheels: Path, root: Path) -> None:
    """An environment that was deleted is made again; of the wheels only the one that rotted is sent anew."""
    first = set_up_again(ssh_board, wheels)
    shutil.rmtree(root / "venvs")
    data = bytearray(next(wheels.glob("numpy-*.whl")).read_bytes())
    numpy = root / "blobs" / hashlib.sha256(data).hexdigest()
    assert numpy.stat().st_size == len(data)
    data[len(data) // 2] ^= 1
    numpy.write_bytes(data)
    assert set_up_again(ssh_board, wheels) == replace(first, sent_bytes=len(data))


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_cut_while_sending(server: Server, root: Path, wheels: Path) -> None:
    """Wheels whose upload is cut off go on from there: altogether little more is sent than once."""
    whole = sum(path.stat().st_size for path in wheels.glob("*.whl"))
    with proxied(server.port) as line:
        board = board_of(server, root, port=line.port)
        line.faults.cut = whole // 2
        with pytest.raises(UnreachableError):
            set_up_again(board, wheels)
        line.faults = Faults()
        ready = set_up_again(board, wheels)
    assert (ready.runtime, ready.changed) == (RUNTIME, True)
    assert whole // 4 < ready.sent_bytes < 3 * whole // 4


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_two_at_once(ssh_board: Board, wheels: Path, root: Path) -> None:
    """Of two setups at once one does the work, the other finds it done; nothing is mixed."""
    results: list[Ready] = []
    threads = [threading.Thread(target=lambda: results.append(set_up_again(ssh_board, wheels))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.changed for one in results) == [False, True]
    assert {one.runtime for one in results} == {RUNTIME}
    assert len([path for path in (root / "venvs").iterdir() if path.is_dir()]) == 1
    assert list(root.rglob("*.part")) == []


def blank(root: Path) -> bool:
    """Whether no wheel was sent, and nothing installed."""
    return not (root / "blobs").exists() and not (root / "venvs").exists() and not (root / "venv").exists()


@pytest.mark.slow
def test_wheel_for_another_machine(ssh_board: Board, wheels: Path, root: Path, tmp_path: Path) -> None:
    """A wheel whose libraries are not for the board's machine is refused before anything is sent."""
    folder = Path(shutil.copytree(wheels, tmp_path / "wheels"))
    real = next(folder.glob("ai_edge_litert-*"))
    make_wheel(folder, real.name, ("ai_edge_litert/lib.so", library(machine=AARCH64)))
    with pytest.raises(IncompatibleError, match=r"lib\.so needs a machine of kind aarch64"):
        set_up_again(ssh_board, folder)
    assert blank(root)
    assert "pi" not in boards()


def test_board_with_an_old_glibc(ssh_board: Board, wheels: Path, root: Path) -> None:
    """A board whose glibc is too old for every library is refused before anything is sent."""
    with connect(ssh_board) as connection:
        seen = look(ssh_board, connection, libc="glibc 2.13")
        with pytest.raises(IncompatibleError, match=r"\(the board has 2\.13\)"):
            set_up(connection, ssh_board, seen, Wish("", wheels), quiet)
    assert blank(root)


@pytest.mark.slow
def test_not_enough_space(ssh_board: Board, wheels: Path, root: Path) -> None:
    """A board without room for it is refused before anything is sent, with both figures."""
    with connect(ssh_board) as connection:
        seen = look(ssh_board, connection, disk_free_bytes=50_000_000)
        with pytest.raises(StorageError, match=r"needs \d+ MB of space, 50.0 MB are free"):
            set_up(connection, ssh_board, seen, Wish("", wheels), quiet)
    assert blank(root)


@pytest.mark.slow
def test_a_runtime_that_installs_and_does_not_run(ssh_board: Board, wheels: Path, root: Path, tmp_path: Path) -> None:
    """A wheel that fits by all that can be read, and does not import, is refused by the board; nothing is switched."""
    folder = Path(shutil.copytree(wheels, tmp_path / "wheels"))
    real = next(folder.glob("ai_edge_litert-*"))
    make_wheel(
        folder, real.name, ("ai_edge_litert/interpreter.py", b"raise ImportError('libcamera.so.9: cannot open')")
    )
    with pytest.raises(IncompatibleError, match=r"does not import: libcamera\.so\.9 is not there") as caught:
        set_up_again(ssh_board, folder)
    assert "sudo apt install" in caught.value.hint
    assert not (root / "venv").exists()
    assert [path.name for path in (root / "venvs").iterdir()] == ["lock"]
    assert "pi" not in boards()


def test_no_python(ssh_board: Board, wheels: Path, root: Path) -> None:
    """A board without Python is told the command that brings one."""
    with connect(ssh_board) as connection:
        seen = replace(look(ssh_board, connection), pythons=())
        with pytest.raises(IncompatibleError, match="pi: there is no Python on the board") as caught:
            set_up(connection, ssh_board, seen, Wish("", wheels), quiet)
    assert "apt install python3" in caught.value.hint


def test_this_machine(wheels: Path) -> None:
    """The board ``local`` needs no setup, and is told so."""
    with connect(local_board()) as connection, pytest.raises(UsageError, match="this machine needs no setup"):
        set_up(connection, local_board(), look(local_board(), connection), Wish("", wheels), quiet)


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_from_one_runtime_to_the_other_and_back(ssh_board: Board, root: Path, registry: None) -> None:
    """tflite-runtime gets NumPy 1; then LiteRT; back again nothing is installed: the one before is still there."""
    folder = None
    known = ssh_board
    seen: dict[str, Ready] = {}
    for runtime in ("tflite-runtime", "ai-edge-litert", "tflite-runtime"):
        known = boards().get("pi", known)
        with connect(known) as connection:
            ready = set_up(connection, known, look(known, connection), Wish(runtime, folder), quiet)
        assert ready.runtime.split()[0] == runtime
        assert ready.numpy.startswith("1.")
        if runtime in seen:
            assert ready == replace(seen[runtime], sent_bytes=0)
        seen[runtime] = ready
    assert len([path for path in (root / "venvs").iterdir() if path.is_dir()]) == 2


def test_the_tag_is_this_machine(wheels: Path) -> None:
    """The wheels that the tests pack again are for this Python: else they would prove nothing."""
    assert sorted(path.name.split("-")[2] for path in wheels.glob("*.whl")) == [TAG, TAG, TAG, "py3"]
