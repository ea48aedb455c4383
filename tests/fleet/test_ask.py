"""One question, one answer, on this machine and over SSH; and every way an answer can fail to come."""

from __future__ import annotations

import platform
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bramble.errors import (
    BoardBusyError,
    BrambleError,
    BundleError,
    IncompatibleError,
    NotTrustedError,
    StorageError,
    UnreachableError,
    UsageError,
    from_agent,
)
from bramble.fleet.agent_zip import agent_zip
from bramble.fleet.ask import agent_path, ask, upload
from bramble.fleet.types import Board, Connection
from bramble_agent import errors
from bramble_agent.errors import AgentError
from bramble_agent.wire import WIRE_VERSION, BenchAnswer, BenchAsk, ProbeAnswer, ProbeAsk, VerifyAnswer, VerifyAsk
from bramble_agent.wire_release import ReleaseAnswer, ReleaseAsk, TakeAnswer, TakeAsk
from bringing import raw_piece
from making import PICTURES, bundle_digest, make_bundle, make_model

PASS_ON = f'#!/bin/sh\nif [ "$1" = -c ]; then exec {sys.executable} "$@"; fi\n'
LOCALLY = pytest.mark.parametrize("board", ["local"], indirect=True)  # where the way there makes no difference


def script(folder: Path, text: str, name: str = "python") -> str:
    """A program that stands for a board's Python: it checks uploads as the real one, and answers as ``text`` says."""
    path = folder / name
    path.write_text(PASS_ON + text)
    path.chmod(0o755)
    return str(path)


def agent_there(connection: Connection, board: Board) -> Path:
    """The agent on the board, brought by a question."""
    ask(connection, board, ProbeAsk(connection.root), ProbeAnswer)
    return Path(agent_path(connection))


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


def test_files_after_the_question(connection: Connection, board: Board, bundle_path: Path, root: Path) -> None:
    """Files follow the question on one stream; then a release can be made of them."""
    digest, manifest = bundle_digest(bundle_path), (bundle_path / "manifest.json").read_text()
    absent = ask(connection, board, ReleaseAsk(connection.root, digest, manifest), ReleaseAnswer)
    assert (absent.state, len(absent.missing)) == ("missing", 3)
    files = [(bundle_path / name).read_bytes() for name in ("model.tflite", "labels.txt", "golden.npz")]
    request = TakeAsk(connection.root, {}, tuple(raw_piece(data) for data in files))
    assert ask(connection, board, request, TakeAnswer, 60.0, files) == TakeAnswer((), {})
    made = ask(connection, board, ReleaseAsk(connection.root, digest, manifest), ReleaseAnswer)
    assert (made.state, made.path) == ("current", f"{root}/releases/{digest}")


@LOCALLY
def test_files_without_an_agent(connection: Connection, board: Board) -> None:
    """Files are not sent to an agent that is not there: an error, and no half answer."""
    with pytest.raises(UnreachableError, match="can't open file"):
        ask(connection, board, TakeAsk(connection.root, {}), TakeAnswer, 60.0, [b"x" * 100])


def test_every_refusal_has_its_error() -> None:
    """Each of the agent's codes is one of ours, with its own exit code; an unknown one is a crash."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AgentError)]
    known = {kind.code: type(from_agent(kind.code, "m", "h")) for kind in kinds if kind is not AgentError}
    assert BrambleError not in known.values()
    told = {"busy": BoardBusyError, "not-trusted": NotTrustedError, "no-release": UsageError}
    assert {code: known[code] for code in told} == told
    assert known["cut-short"] is UnreachableError
    assert type(from_agent("new", "m", "h")) is BrambleError


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
    path = agent_there(connection, board)
    path.write_bytes(path.read_bytes()[:1000])
    ask(connection, board, ProbeAsk(connection.root), ProbeAnswer)
    assert path.read_bytes() == agent_zip().data


def test_flipped_agent_is_replaced(connection: Connection, board: Board) -> None:
    """An agent with flipped bytes and the right size is brought anew when it answers nonsense."""
    path = agent_there(connection, board)
    raw = agent_zip().data
    path.write_bytes(bytes(255 - byte for byte in raw))
    ask(connection, board, ProbeAsk(connection.root), ProbeAnswer)
    assert path.read_bytes() == raw


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
        agent_there(connection, board)


def test_python_that_fails(connection: Connection, board: Board, tmp_path: Path) -> None:
    """A Python that cannot even check an upload is shown with the last thing it said."""
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'libm.so.6: version GLIBC_2.38 not found' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(BrambleError, match=r"exit status 1.*GLIBC_2\.38 not found"):
        ask(connection, replace(board, python=str(broken)), ProbeAsk(connection.root), ProbeAnswer)


def test_killed_in_the_middle(connection: Connection, board: Board, tmp_path: Path) -> None:
    """An agent that is killed half-way through its answer is no answer: exit code 5, and memory is suggested."""
    python = script(tmp_path, "cat >/dev/null\nprintf '{\"version\": 2, \"answ'\necho 'so far' >&2\nkill -9 $$\n")
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
        f'{{"version": {WIRE_VERSION}}}',
        f'{{"version": {WIRE_VERSION}, "answer": {{"ok": 1}}}}',
        "hello",
    ):
        (tmp_path / "answer").write_text(answer)
        with pytest.raises(UnreachableError, match="in the middle of its answer"):
            ask(connection, odd, VerifyAsk("x"), VerifyAnswer)


def test_other_wire_version(connection: Connection, board: Board, tmp_path: Path) -> None:
    """An answer of another version of the wire is refused by its number, not guessed at; exit code 6."""
    python = script(tmp_path, 'cat >/dev/null\necho \'{"version": 3, "answer": {}}\'\n')
    with pytest.raises(IncompatibleError, match="speaks wire version 3") as caught:
        ask(connection, replace(board, python=python), ProbeAsk(connection.root), ProbeAnswer)
    assert caught.value.exit_code == 6


def test_crash(connection: Connection, board: Board) -> None:
    """A crash of the real agent comes back as one line and a plea, not a traceback; exit code 1."""
    with pytest.raises(BrambleError, match="null byte") as caught:
        ask(connection, board, ProbeAsk("\0"), ProbeAnswer)
    assert type(caught.value) is BrambleError
    assert caught.value.hint == "this is a bug in Bramble: please report it"
    assert caught.value.exit_code == 1


def test_no_runtime(connection: Connection, board: Board, bundle_path: Path, tmp_path: Path) -> None:
    """A Python without packages probes well, and is incompatible where a model must run; exit code 6."""
    bare = replace(board, python=script(tmp_path, f'exec {sys.executable} -I -S "$@"\n'))
    assert ask(connection, bare, ProbeAsk(connection.root), ProbeAnswer).facts.runtimes == ()
    for request, kind in ((VerifyAsk(str(bundle_path)), VerifyAnswer), (BenchAsk(str(bundle_path)), BenchAnswer)):
        with pytest.raises(IncompatibleError) as caught:
            ask(connection, bare, request, kind)
        assert caught.value.exit_code == 6
        assert ("bramble board setup pi" if board.host else "pip install") in caught.value.hint


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


def test_upload_that_another_was_faster_with(
    connection: Connection, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost race for the last name is fine if the right bytes are there, and leaves no part; else it is an error."""

    def refuse(source: str, target: str) -> None:
        raise StorageError("cannot write")

    monkeypatch.setattr(connection, "rename", refuse)
    source, target = tmp_path / "source", Path(connection.root, "in/model")
    source.write_bytes(b"model")
    with pytest.raises(StorageError):
        upload(connection, board, source, str(target))
    assert list(target.parent.iterdir()) == []
    target.write_bytes(b"model")
    upload(connection, board, source, str(target))
    assert list(target.parent.iterdir()) == [target]
