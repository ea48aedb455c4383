"""The verbs on many boards as a person runs them: a line and a row a board, JSON with errors, the worst exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bramble.fleet.inventory import find_board, save_board, save_group, tag_board
from bramble_agent.lease import leased
from bramble_agent.wire import Budget
from making import bundle_digest, make_bundle, make_golden
from running import bramble, environment
from serving import Server, board_of, serving_many, speaking

QUICK = ("--profile", "quick")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Three servers."""
    with serving_many(tmp_path_factory.mktemp("sshd"), 3) as running:
        yield running


@pytest.fixture
def roots(servers: list[Server], tmp_path: Path) -> dict[str, Path]:
    """The roots of the boards pi0, pi1 and pi2, all of the group @pis; ``dead`` is a board that is off."""
    found = {f"pi{n}": tmp_path / f"root{n}" for n in range(3)}
    for server, (name, root) in zip(servers, found.items(), strict=True):
        save_board(board_of(server, root, name=name))
    save_board(board_of(servers[0], tmp_path, name="dead", port=1))
    save_group("pis", list(found))
    save_group("one", ["pi0"])
    return found


@pytest.fixture
def wrong(work: Path) -> Path:
    """A bundle whose golden answers are one step off."""
    golden = make_golden()
    golden["output_0"][0, 0] += 3
    return make_bundle(work / "wrong", arrays=golden)


def rows(stdout: str) -> dict[str, list[str]]:
    """The table's rows by board."""
    lines = [line.split() for line in stdout.partition("\n\n")[0].splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_a_board_that_is_set_up_anew_keeps_its_tags(work: Path, roots: dict[str, Path], servers: list[Server]) -> None:
    """Replacing a known board does not take it out of the groups that name its tags."""
    tag_board("pi0", ["kitchen"])
    address, key = f"{servers[0].user}@127.0.0.1:{servers[0].port}", str(servers[0].user_key)
    words = ["--key", key, "--python", sys.executable, "--fingerprint", servers[0].fingerprint(), "--force"]
    done = bramble("board", "add", "pi0", address, *words, cwd=work)
    assert done.returncode == 0, done.stderr
    assert find_board("pi0").tags == ("kitchen",)


@pytest.mark.slow
def test_push_to_some_that_are_off(work: Path, roots: dict[str, Path]) -> None:
    """A board that is off has its row and its advice, all others have the release; exit code 5, as JSON too."""
    digest = bundle_digest(make_bundle(work / "bundle"))
    done = bramble("push", "bundle", "@pis", "dead", cwd=work)
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
    table = rows(done.stdout)
    assert list(table) == ["board", "pi0", "pi1", "pi2", "dead"]
    assert table["pi1"][0] == digest[:12]
    assert table["pi1"][-1] == "current"
    assert table["dead"] == ["–", "–", "✗", "unreachable"]
    assert "4 boards: 3 current, 1 unreachable\ndead: " in done.stdout
    assert "\n  → " in done.stdout
    assert [(root / "current").resolve().name for root in roots.values()] == [digest] * 3
    told = done.stderr.splitlines()
    assert {"pi0: connecting", "pi0: checking", "pi0: verifying"} <= set(told)
    assert any(line.startswith("dead: failed: 127.0.0.1:1 cannot be reached") for line in told)
    again = bramble("push", "bundle", "dead", "pi0", "--json", cwd=work)
    assert again.returncode == 5
    made: dict[str, Any] = json.loads(again.stdout)
    assert list(made) == ["dead", "pi0"]
    assert made["dead"]["error"]["exit_code"] == 5
    assert "cannot be reached" in made["dead"]["error"]["message"]
    assert made["dead"]["error"]["hint"]
    assert (made["pi0"]["sent_bytes"], made["pi0"]["current"]) == (0, True)


def test_canaries_of_a_push(work: Path, roots: dict[str, Path], wrong: Path) -> None:
    """Wrong answers on the canary leave the others untouched, and who held them back is told; exit code 3."""
    done = bramble("push", "wrong", "@pis", "--canary", "1", "--json", cwd=work)
    assert done.returncode == 3
    made = json.loads(done.stdout)
    assert made["pi0"]["current"] is False
    why = "pi0: it does not give the golden answers"
    assert [made[name] for name in ("pi1", "pi2")] == [{"untouched": why}] * 2
    assert [root.exists() for root in roots.values()] == [True, False, False]
    told = bramble("push", "wrong", "@pis", "--canary", "1", cwd=work).stdout
    assert "3 boards: 1 not current, 2 not touched\n" in told
    assert f"not touched: held back by {why}" in told
    assert rows(told)["pi2"][-2:] == ["not", "touched"]


@pytest.mark.slow
def test_verify_on_many(work: Path, roots: dict[str, Path], wrong: Path) -> None:
    """Each board's answers have a row; where they differ the exit code is 3."""
    done = bramble("verify", "wrong", "@pis", cwd=work)
    assert done.returncode == 3
    assert {tuple(row[-2:]) for name, row in rows(done.stdout).items() if name != "board"} == {("✗", "DIFFERS")}
    assert "3 LSB" in done.stdout
    assert "3 boards: 3 DIFFER\n" in done.stdout


@pytest.mark.slow
def test_a_group_of_one_is_told_as_many_are(work: Path, roots: dict[str, Path]) -> None:
    """What a script reads does not depend on how many boards a group holds today."""
    make_bundle(work / "bundle")
    made = json.loads(bramble("verify", "bundle", "@one", "--json", cwd=work).stdout)
    assert made["pi0"]["ok"] is True
    assert "1 boards" not in bramble("verify", "bundle", "@one", cwd=work).stdout


@pytest.mark.slow
def test_bench_with_a_busy_board(work: Path, roots: dict[str, Path]) -> None:
    """A board that somebody benches is refused by name, the others are measured at the same time; exit code 5."""
    make_bundle(work / "bundle", budget=Budget(p50_ms=1000.0))
    with leased(roots["pi1"], "ana@desk", 0.0):
        done = bramble("bench", "bundle", "@pis", *QUICK, "--json", cwd=work)
    assert done.returncode == 5
    made = json.loads(done.stdout)
    assert [one["board"]["name"] for one in made] == ["pi0", "pi1", "pi2"]
    assert [one.get("verdict") for one in made] == ["pass", None, "pass"]
    assert made[1]["error"]["message"].startswith("pi1: ana@desk, for ")
    assert made[0]["verify"]["ok"]
    kept = list((work / "runs").rglob("report.json"))
    assert sorted(path.parent.name.rpartition("-")[2] for path in kept) == ["pi0", "pi2"]
    assert not (roots["pi0"] / "current").exists()  # a bench makes nothing current


@pytest.mark.slow
def test_deploy_stops_at_a_missed_budget(work: Path, roots: dict[str, Path]) -> None:
    """The measured budget is the gate: the canary misses it, the rest has not even a folder; exit code 3."""
    make_bundle(work / "bundle", budget=Budget(p50_ms=1e-6))
    done = bramble("deploy", "bundle", "@pis", *QUICK, "--canary", "1", cwd=work)
    assert done.returncode == 3
    table = rows(done.stdout)
    assert " ✗ missed: p50 " in " ".join(table["pi0"])
    assert table["pi1"][-2:] == ["not", "touched"]
    assert "pi0: done " in done.stderr
    assert "held back by pi0: missed: p50 " in done.stdout
    assert done.stdout.splitlines()[-1] == "reports  runs/tiny-int8/reports"
    assert [root.exists() for root in roots.values()] == [True, False, False]


@pytest.mark.slow
def test_several_boards_give_a_list(work: Path, roots: dict[str, Path]) -> None:
    """Boards are reports in the order asked for, each once; in waves too, here one board after the other."""
    make_bundle(work / "bundle", budget=Budget(p50_ms=1000.0))
    words = ["pi1", "local", "pi1", "@one", "--wave", "1", *QUICK]
    done = bramble("deploy", "bundle", *words, "--json", cwd=work)
    assert [made["board"]["name"] for made in json.loads(done.stdout)] == ["pi1", "local", "pi0"]
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if ": connecting" in line or ": done" in line][::2] == [
        "pi1: connecting",
        "local: connecting",
        "pi0: connecting",
    ]


@pytest.mark.slow
def test_ctrl_c_beside_a_board_that_hangs(work: Path, roots: dict[str, Path], servers: list[Server]) -> None:
    """Ctrl-C ends the command though one board does not answer; what was done is counted; exit code 130."""
    make_bundle(work / "bundle")
    with speaking(b"", hold=True) as port:
        save_board(board_of(servers[0], work, name="hung", port=port))
        command = [sys.executable, "-m", "bramble", "push", "bundle", "hung", "pi0"]
        with subprocess.Popen(
            command, cwd=work, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("pi0: current"):
                    break
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=20)  # a board that says nothing is given up after 30 s
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "interrupted: 1 of 2 done, 1 at work\n"
