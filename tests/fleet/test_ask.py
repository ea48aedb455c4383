"""One question, one answer, on this machine and over SSH; and every way an answer can fail to come."""

from __future__ import annotations

import platform
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bramble.errors import BrambleError, BundleError, IncompatibleError, UnreachableError
from bramble.fleet.agent_zip import agent_zip
from bramble.fleet.ask import ask, ensure_agent, upload
from bramble.fleet.types import Board, Connection
from bramble_agent.wire import (
    BenchAnswer,
    BenchAsk,
    ProbeAnswer,
    ProbeAsk,
    ReleaseAnswer,
    ReleaseAsk,
    VerifyAnswer,
    VerifyAsk,
)
from making import PICTURES, bundle_digest, make_bundle, make_model

PASS_ON = f'#!/bin/sh\nif [ "$1" = -c ]; then exec {sys.executable} "$@"; fi\n'


def script(folder: Path, text: str, name: str = "python") -> str:
    """A program that stands for a board's Python: it checks uploads as the real one, and answers as ``text`` says."""
    path = folder / name
    path.write_text(PASS_ON + text)
    path.chmod(0o755)
    return str(path)


def test_probe(connection: Connection, board: Board) -> None:
    """A probe tells what this machine knows of itself."""
    answer = ask(connection, board, ProbeAsk(connection.root), ProbeAnswer)
    assert answer.facts.machine == platform.machine()
    assert answer.facts.python == platform.python_version()
    assert [one.name for one in answer.facts.runtimes][:1] == ["ai-edge-litert"]
    assert answer.facts.disk_free_bytes is not None


def test_verify(connection: Connection, board: Board, bundle_path: Path) -> None:
    """The golden answers of the hand-made model come out exactly."""
    answer = ask(connection, board, VerifyAsk(str(bundle_path)), VerifyAnswer)
    assert answer.ok
    assert (answer.checked, answer.values, answer.differing, answer.max_lsb) == (len(PICTURES), 12, 0, 0)


def test_bench(connection: Connection, board: Board, bundle_path: Path) -> None:
    """As many samples come back as were asked for, each longer than nothing."""
    request = BenchAsk(str(bundle_path), warmup_runs=2, warmup_s=0, min_runs=50, min_s=0, max_runs=50, energy_s=0.1)
    answer = ask(connection, board, request, BenchAnswer)
    assert (len(answer.samples_ns), len(answer.warmup_ns)) == (50, 2)
    assert min(answer.samples_ns) > 0
    assert answer.rss_before_bytes < answer.peak_rss_bytes


def test_release(connection: Connection, board: Board, bundle_path: Path, root: Path) -> None:
    """A release is absent, then taken in from where it lies, and current."""
    digest = bundle_digest(bundle_path)
    absent = ask(connection, board, ReleaseAsk(connection.root, digest), ReleaseAnswer)
    assert absent == ReleaseAnswer(False, "", "")
    taken = ask(connection, board, ReleaseAsk(connection.root, digest, str(bundle_path)), ReleaseAnswer)
    assert taken == ReleaseAnswer(True, f"{root}/releases/{digest}", "")
    assert (root / "current").resolve() == root / "releases" / digest


def test_agent_is_uploaded_once(connection: Connection, board: Board, root: Path) -> None:
    """The first question brings the agent, named by its sha256; the second finds it and leaves it alone."""
    ask(connection, board, ProbeAsk(connection.root), ProbeAnswer)
    (there,) = (root / "agents").iterdir()
    first = there.stat()
    ask(connection, board, ProbeAsk(connection.root), ProbeAnswer)
    assert list((root / "agents").iterdir()) == [there]
    assert there.name == f"{agent_zip().digest}.zip"
    assert there.read_bytes() == agent_zip().data
    assert (there.stat().st_ino, there.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)


def test_cut_agent_is_replaced(connection: Connection, board: Board) -> None:
    """An agent that lost its end (a card that filled up) is brought anew."""
    path = Path(ensure_agent(connection, board))
    path.write_bytes(path.read_bytes()[:1000])
    ask(connection, board, ProbeAsk(connection.root), ProbeAnswer)
    assert path.read_bytes() == agent_zip().data


@pytest.mark.parametrize("python", ["/no/such/python3", "no-such-python3", "/etc/hostname", "/"])
def test_no_python(connection: Connection, board: Board, root: Path, python: str) -> None:
    """A board without that Python is told to get one, whether the agent is there yet or not; exit code 6."""
    without = replace(board, python=python)
    for _ in range(2):
        with pytest.raises(IncompatibleError, match="there is no Python") as caught:
            ask(connection, without, ProbeAsk(connection.root), ProbeAnswer)
        assert python in caught.value.message
        assert "apt install python3" in caught.value.hint
        assert caught.value.exit_code == 6
        ensure_agent(connection, board)


def test_python_that_fails(connection: Connection, board: Board, tmp_path: Path) -> None:
    """A Python that cannot even check an upload is shown with the last thing it said."""
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'libm.so.6: version GLIBC_2.38 not found' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(BrambleError, match=r"exit status 1.*GLIBC_2\.38 not found"):
        ask(connection, replace(board, python=str(broken)), ProbeAsk(connection.root), ProbeAnswer)


def test_killed_in_the_middle(connection: Connection, board: Board, tmp_path: Path) -> None:
    """An agent that is killed half-way through its answer is no answer: exit code 5, and memory is suggested."""
    python = script(tmp_path, "cat >/dev/null\nprintf '{\"version\": 1, \"answ'\necho 'so far' >&2\nkill -9 $$\n")
    with pytest.raises(UnreachableError, match=r"stopped in the middle of its answer \(killed.*so far") as caught:
        ask(connection, replace(board, python=python), ProbeAsk(connection.root), ProbeAnswer)
    assert caught.value.exit_code == 5
    assert "out of memory?" in caught.value.hint


def test_answer_that_is_none(connection: Connection, board: Board, tmp_path: Path) -> None:
    """Whatever else an interpreter prints is refused as one kind of error."""
    odd = replace(board, python=script(tmp_path, f"cat >/dev/null\ncat '{tmp_path}/answer'\n"))
    for answer in (
        "",
        "null",
        "[]",
        "3",
        '"x"',
        "{}",
        '{"version": 1}',
        '{"version": 1, "answer": {"ok": 1}}',
        "hello",
    ):
        (tmp_path / "answer").write_text(answer)
        with pytest.raises(UnreachableError, match="in the middle of its answer"):
            ask(connection, odd, VerifyAsk("x"), VerifyAnswer)


def test_other_wire_version(connection: Connection, board: Board, tmp_path: Path) -> None:
    """An answer of another version of the wire is refused by its number, not guessed at; exit code 6."""
    python = script(tmp_path, 'cat >/dev/null\necho \'{"version": 2, "answer": {}}\'\n')
    with pytest.raises(IncompatibleError, match="speaks wire version 2") as caught:
        ask(connection, replace(board, python=python), ProbeAsk(connection.root), ProbeAnswer)
    assert caught.value.exit_code == 6


def test_crash(connection: Connection, board: Board) -> None:
    """A crash of the real agent comes back as an error with its traceback; exit code 1."""
    with pytest.raises(BrambleError, match="null byte") as caught:
        ask(connection, board, ProbeAsk("\0"), ProbeAnswer)
    assert type(caught.value) is BrambleError
    assert "Traceback" in caught.value.hint
    assert caught.value.exit_code == 1


def test_no_runtime(connection: Connection, board: Board, bundle_path: Path, tmp_path: Path) -> None:
    """A Python without packages probes well, and is incompatible where a model must run; exit code 6."""
    bare = replace(board, python=script(tmp_path, f'exec {sys.executable} -I -S "$@"\n'))
    assert ask(connection, bare, ProbeAsk(connection.root), ProbeAnswer).facts.runtimes == ()
    for request, kind in ((VerifyAsk(str(bundle_path)), VerifyAnswer), (BenchAsk(str(bundle_path)), BenchAnswer)):
        with pytest.raises(IncompatibleError) as caught:
            ask(connection, bare, request, kind)
        assert caught.value.exit_code == 6
        assert "pip install" in caught.value.hint


def test_numpy_that_does_not_import(connection: Connection, board: Board, bundle_path: Path, tmp_path: Path) -> None:
    """A NumPy whose system library is missing is incompatible, with the library's name and without NumPy's advice."""
    (tmp_path / "site/numpy").mkdir(parents=True)
    (tmp_path / "site/numpy/__init__.py").write_text(
        "try:\n    raise ImportError('libopenblas.so.0: cannot open shared object file')\n"
        "except ImportError as error:\n    raise ImportError('\\n\\nIMPORTANT: PLEASE READ THIS\\n\\n') from error\n"
    )
    python = script(tmp_path, f'PYTHONPATH="{tmp_path}/site" exec {sys.executable} "$@"\n')
    with pytest.raises(IncompatibleError, match=r"NumPy does not import .*: libopenblas\.so\.0: cannot open") as caught:
        ask(connection, replace(board, python=python), VerifyAsk(str(bundle_path)), VerifyAnswer)
    assert "PLEASE READ" not in caught.value.message


def test_operator_that_nobody_has(connection: Connection, board: Board, tmp_path: Path) -> None:
    """A model with an operator that the runtime lacks is incompatible, and the operator is named."""
    path = make_bundle(tmp_path / "odd", model=make_model(custom="Bramble_Odd"))
    with pytest.raises(IncompatibleError, match="Bramble_Odd"):
        ask(connection, board, VerifyAsk(str(path)), VerifyAnswer)


def test_bundle_that_is_not_there(connection: Connection, board: Board, tmp_path: Path) -> None:
    """A refusal of the agent carries the board's name and keeps its kind."""
    with pytest.raises(BundleError, match=f"^{board.name}: "):
        ask(connection, board, VerifyAsk(str(tmp_path / "none")), VerifyAnswer)


def test_upload_leaves_no_part(connection: Connection, board: Board, tmp_path: Path) -> None:
    """What arrived whole has its final name; nothing half-written is left beside it."""
    source = tmp_path / "source"
    source.write_bytes(b"model")
    upload(connection, board, source, f"{connection.root}/in/model")
    assert [path.name for path in Path(connection.root, "in").iterdir()] == ["model"]
    assert Path(connection.root, "in/model").read_bytes() == b"model"
