"""A fresh process of the agent: its answers, its refusals, its deaths; and the end of one whose parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bramble_agent import oneself
from bramble_agent.errors import AgentError, ModelRejected
from bramble_agent.oneself import ask_afresh, breathing, one_process
from bramble_agent.wire import BoardFacts, ProbeAnswer, ProbeAsk, VerifyAnswer, VerifyAsk
from making import make_bundle

DEVICE = Path(__file__).parents[2] / "device"


def starting(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the fresh process run this first."""
    monkeypatch.setattr(oneself, "START", code + "\n" + oneself.START)


def test_answer(tmp_path: Path) -> None:
    """The golden answers of a bundle, by another process."""
    said = ask_afresh(VerifyAsk(str(make_bundle(tmp_path / "b"))), VerifyAnswer)
    assert (said.ok, said.checked, said.max_lsb) == (True, 4, 0)


def test_refusal_keeps_its_code(tmp_path: Path) -> None:
    """What it refuses with is refused here with the same code, words and advice."""
    with pytest.raises(AgentError, match="no bundle at") as caught:
        ask_afresh(VerifyAsk(str(tmp_path / "none")), VerifyAnswer)
    assert caught.value.code == "bundle-damaged"
    assert "bramble build" in caught.value.hint


def test_crash_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash there is a crash here, with the traceback of there."""
    with pytest.raises(AgentError, match="null byte") as caught:
        ask_afresh(ProbeAsk("\0"), ProbeAnswer)
    assert caught.value.code == "crash"
    assert "Traceback" in caught.value.hint


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGILL])
def test_death_by_signal(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that takes its process along is told as the model's fault, with the signal and the last words."""
    starting(
        monkeypatch,
        f"import os, sys\nprint('so far', 'so good', file=sys.stderr, flush=True)\nos.kill(os.getpid(), {number:d})",
    )
    with pytest.raises(ModelRejected, match=rf"died on this model \(status -{number:d}\): so far so good") as caught:
        ask_afresh(ProbeAsk("x"), ProbeAnswer)
    assert "out of memory?" in caught.value.hint


def test_death_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """An end without any answer is not an answer either."""
    starting(monkeypatch, "import os\nos._exit(0)")
    with pytest.raises(ModelRejected, match=r"died on this model \(status 0\)$"):
        ask_afresh(ProbeAsk("x"), ProbeAnswer)


def test_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not come to an end is given up, and ended."""
    monkeypatch.setattr(oneself, "PATIENCE_S", 0.3)
    starting(monkeypatch, "import time\ntime.sleep(60)")
    with pytest.raises(ModelRejected, match=r"did not answer within 0\.3 s"):
        ask_afresh(ProbeAsk("x"), ProbeAnswer)


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be started, memory is the matter, not the disk."""

    def full(*words: object, **how: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(oneself.subprocess, "Popen", full)
    with pytest.raises(ModelRejected, match="Cannot allocate memory"):
        ask_afresh(ProbeAsk("x"), ProbeAnswer)


def test_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within ``one_process`` all questions go to one process, refused ones too; without, each has its own."""
    starting(monkeypatch, f"open({str(tmp_path / 'started')!r}, 'a').write('x')")
    with one_process():
        assert not (tmp_path / "started").exists()
        for _ in range(2):
            assert ask_afresh(VerifyAsk(str(make_bundle(tmp_path / "b"))), VerifyAnswer).ok
            with pytest.raises(AgentError, match="no bundle at"):
                ask_afresh(VerifyAsk(str(tmp_path / "none")), VerifyAnswer)
    assert (tmp_path / "started").read_text() == "x"
    for _ in range(2):
        ask_afresh(ProbeAsk("/"), ProbeAnswer)
    assert (tmp_path / "started").read_text() == "xxx"


def test_one_process_that_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom a process died for hears it, and so does the next; it is not started again behind their backs."""
    starting(monkeypatch, f"open({str(tmp_path / 'started')!r}, 'a').write('x')\nimport os\nos._exit(3)")
    with one_process():
        for _ in range(2):
            with pytest.raises(ModelRejected, match=r"died on this model \(status 3\)$"):
                ask_afresh(ProbeAsk("/"), ProbeAnswer)
    assert (tmp_path / "started").read_text() == "x"


def test_something_else_than_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that says something else, and lives on, is ended."""
    monkeypatch.setattr(oneself, "DYING_S", 0.1)
    starting(monkeypatch, "print('welcome', flush=True)")
    with pytest.raises(ModelRejected, match=r"died on this model \(status -9\)$"):
        ask_afresh(ProbeAsk("/"), ProbeAnswer)


def test_chatter_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a runtime prints is in nobody's way, however much it is."""
    starting(monkeypatch, "import os\nassert os.write(2, b'x' * 1_000_000) == 1_000_000")
    assert isinstance(ask_afresh(ProbeAsk("/"), ProbeAnswer), ProbeAnswer)


def test_breathing(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Work that takes long sends a sign of life now and then."""
    monkeypatch.setattr(oneself, "BREATH_S", 0.01)
    heard = ""
    with breathing():
        while len(heard) < 3:
            heard += capfd.readouterr().err
    assert set(heard) == {"\n"}


def test_files_of_the_folder_it_starts_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in somebody's home that is called like a module of the library is not run."""
    for name in ("random", "json", "numpy", "hashlib"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not me')")
    monkeypatch.chdir(tmp_path)
    assert ask_afresh(VerifyAsk(str(make_bundle(tmp_path / "b"))), VerifyAnswer).ok


def test_out_of_a_zip(tmp_path: Path) -> None:
    """An agent that runs out of a zip asks that same zip, from wherever it starts."""
    with zipfile.ZipFile(tmp_path / "agent.zip", "w") as archive:
        for path in (DEVICE / "bramble_agent").rglob("*.py"):
            archive.write(path, path.relative_to(DEVICE))
    code = (
        "from bramble_agent import oneself, wire\n"
        "print(oneself.HOME)\n"
        f"print(oneself.ask_afresh(wire.VerifyAsk({str(make_bundle(tmp_path / 'b'))!r}), wire.VerifyAnswer).ok)\n"
    )
    env = {**os.environ, "PYTHONPATH": "agent.zip"}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == [str(tmp_path / "agent.zip"), "True"]


def test_probe_is_of_another_process() -> None:
    """Any question can be asked so."""
    assert isinstance(ask_afresh(ProbeAsk("/"), ProbeAnswer).facts, BoardFacts)


LIVE = "import sys, time\nfrom bramble_agent import oneself\noneself.LOOK_S = 0.05\noneself.end_with_parent()\n{work}\n"


def orphan(work: str, tmp_path: Path) -> subprocess.Popen[bytes]:
    """A process whose parent is killed once it is at work; its stdout ends with it."""
    (tmp_path / "work.py").write_text(LIVE.format(work=work))
    shell = f"'{sys.executable}' '{tmp_path}/work.py' & wait"
    env = {**os.environ, "PYTHONPATH": str(DEVICE)}
    parent = subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, env=env)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"at work\n"
    parent.kill()
    parent.wait()
    return parent


def test_end_with_parent(tmp_path: Path) -> None:
    """A process whose parent is gone ends, though it is busy."""
    parent = orphan("print('at work', flush=True)\ntime.sleep(60)\nprint('not heard', flush=True)", tmp_path)
    assert parent.stdout is not None
    assert parent.stdout.read() == b""
    parent.stdout.close()


def test_what_must_not_be_broken_off(tmp_path: Path) -> None:
    """What is done under ``unbroken`` is done to its end, and then it ends."""
    work = (
        "with oneself.unbroken:\n    print('at work', flush=True)\n    time.sleep(0.6)\n    print('done', flush=True)\n"
        "time.sleep(60)\nprint('not heard', flush=True)"
    )
    parent = orphan(work, tmp_path)
    assert parent.stdout is not None
    assert parent.stdout.read() == b"done\n"
    parent.stdout.close()
