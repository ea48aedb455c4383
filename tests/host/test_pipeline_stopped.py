"""Runs that are stopped in the middle, by kill -9 or Ctrl-C: what was finished stays, and the next run goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from running import ONE_EPOCH, Run, environment, on_terminal, run_pipeline


def half_made(runs: Path) -> list[Path]:
    """What lies in the store under a temporary name."""
    return list((runs / ".artifacts").glob(".*"))


@pytest.mark.slow
def test_killed_in_the_second_stage_goes_on_from_the_first(one_epoch: Run, tmp_path: Path) -> None:
    """After kill -9 while quantizing, training is found, the rest is computed, and the bundle is that of one run."""
    runs = tmp_path / "runs"
    words = [sys.executable, "-m", "bramble", "build", "digits-int8", "--set", ONE_EPOCH]
    with subprocess.Popen(words, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "[2/4] quantize" not in (line := process.stderr.readline()):
            assert line, "the run ended before it quantized"
        while not half_made(runs):
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -9
    assert len(half_made(runs)) == 1
    resumed = run_pipeline("digits-int8", runs, ONE_EPOCH)
    assert resumed.stages == [("train", True), ("quantize", False), ("evaluate", False), ("bundle", False)]
    assert resumed.built.facts["bundle"] == one_epoch.built.facts["bundle"]
    assert half_made(runs) == []


@pytest.mark.slow
def test_ctrl_c_says_what_is_kept(tmp_path: Path) -> None:
    """Ctrl-C in the middle of training exits with 130 and a message, and leaves nothing half-made."""
    words = ["-m", "bramble", "build", "digits-int8", "--set", "stage.0.epochs=1000"]
    with on_terminal(*words, cwd=tmp_path) as terminal:
        assert "epoch 2/1000" in terminal.read_until("epoch 2/1000")
        terminal.process.send_signal(signal.SIGINT)
        seen = terminal.read_until("never")
    assert terminal.process.returncode == 130
    assert "interrupted; finished stages are kept, the same command goes on from there" in " ".join(seen.split())
    assert "Traceback" not in seen
    assert list((tmp_path / "runs" / ".artifacts").iterdir()) == []
