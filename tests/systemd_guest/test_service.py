"""``bramble camera start`` on a real systemd: it starts, is watched, comes again, survives a reboot, and goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from making import make_bundle
from running import bramble
from systemd_guest.guest import Guest, booted
from virtual_board.needs import MissingError

pytestmark = pytest.mark.slow
SOURCE = ("--source", "synthetic:?fps=20")
DROP_IN = "[Service]\\nWatchdogSec=3\\nRestartSec=1\\n"


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """One guest for all; the tests are skipped where there can be none."""
    try:
        with booted(tmp_path_factory.mktemp("guest")) as running:
            yield running
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def work(guest: Guest, home: Path, tmp_path: Path) -> Path:
    """A folder with two bundles; the guest's people are boards, and have the first as their release."""
    home.mkdir(parents=True)
    tables = []
    for user in ("op", "pi"):
        held = {key: value for key, value in asdict(guest.board(user)).items() if key not in ("name", "tags", "jump")}
        tables.append(f"[boards.{user}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in held.items()))
    (home / "boards.toml").write_text("\n".join(tables))
    for name in ("one", "two"):
        make_bundle(tmp_path / name, name=name)
    assert bramble("push", "one", "op", "pi", cwd=tmp_path).returncode == 0
    return tmp_path


def ok(*words: str, cwd: Path) -> str:
    """What a verb says that must succeed."""
    done = bramble("camera", *words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def status(board: str, cwd: Path) -> dict[str, Any]:
    """``camera status --json``."""
    told: dict[str, Any] = json.loads(bramble("camera", "status", board, "--json", cwd=cwd).stdout)
    return told


def wait_for(true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Until it is so."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.5)


def looks(board: str, cwd: Path) -> bool:
    """Whether its loop gets frames."""
    told = status(board, cwd)
    return bool(told["loop"] and told["loop"]["frames"])


def test_user_service(guest: Guest, work: Path) -> None:
    """From start to stop, over a crash, a swap and a reboot."""
    events = "/home/op/elsewhere/events.jsonl"
    guest.run("op", "mkdir elsewhere")
    said = ok("start", "op", *SOURCE, "--on", f"jsonl:{events}", cwd=work)
    assert "bramble-camera.service runs (service of user op)" in said
    assert guest.run("op", "ls /var/lib/systemd/linger").split() == ["op"]
    told = status("op", work)
    assert (told["service"]["ActiveState"], told["service"]["UnitFileState"]) == ("active", "enabled")
    assert "release" in told["service"]["StatusText"]
    assert "seen " in ok("logs", "op", cwd=work)

    wait_for(lambda: '"what":' in guest.run("op", f"cat {events}", check=False), "no event was written")
    guest.run("op", f"kill -9 {told['service']['MainPID']}")
    wait_for(lambda: status("op", work)["service"].get("NRestarts") == "1" and looks("op", work), "it came not again")

    assert bramble("push", "two", "op", cwd=work).returncode == 0
    swapped = ok("swap", "op", "--compare", "8", "--probation", "8", "--latency", "1000", cwd=work)
    assert "0 frames dropped, longest gap" in swapped
    new = status("op", work)["loop"]["release"]

    guest.end()
    guest.boot()
    wait_for(lambda: looks("op", work), "it did not start at boot")
    assert status("op", work)["loop"]["release"] == new

    assert "stopped bramble-camera.service" in ok("stop", "op", cwd=work)
    gone = status("op", work)
    assert (gone["service"], gone["loop"]) == (None, None)
    assert "camera.json" not in guest.run("op", "ls -A .bramble/camera .config/systemd/user")


def test_locked_in(guest: Guest, work: Path) -> None:
    """No new privileges, no capabilities, a root file system that cannot be written to but for its own folder."""
    for board, options in (("op", ("--system",)), ("pi", ())):
        ok("start", board, *SOURCE, *options, cwd=work)
        pid = status(board, work)["service"]["MainPID"]
        lines = guest.run("op", f"sudo cat /proc/{pid}/status").splitlines()
        held = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
        assert (held["NoNewPrivs"], held["CapEff"], held["Seccomp"]) == ("1", "0" * 16, "2")
        assert held["Uid"].split()[0] == {"op": "1000", "pi": "1001"}[board]
        mounts = [line.split() for line in guest.run("op", f"sudo cat /proc/{pid}/mountinfo").splitlines()]
        how = {mount[4]: mount[5].split(",")[0] for mount in mounts}
        assert (how["/"], how[f"/home/{board}/.bramble"]) == ("ro", "rw")
    assert status("op", work)["service"]["UnitFileState"] == "enabled"
    guest.run("op", "sudo sed -i s,/home/op/,/home/xx/,g /etc/systemd/system/bramble-camera.service")
    guest.run("op", "sudo systemctl daemon-reload")
    done = bramble("camera", "start", "op", *SOURCE, "--system", cwd=work)
    assert (done.returncode, "runs something else" in done.stderr) == (2, True)
    guest.run("op", "sudo sed -i s,/home/xx/,/home/op/,g /etc/systemd/system/bramble-camera.service")
    guest.run("op", "sudo systemctl daemon-reload")
    ok("stop", "op", cwd=work)
    ok("stop", "pi", cwd=work)


def test_without_sudo(guest: Guest, work: Path) -> None:
    """A person without sudo is told what to type, and that --system needs it; the service runs all the same."""
    done = bramble("camera", "start", "pi", *SOURCE, cwd=work)
    assert done.returncode == 0, done.stderr
    assert "sudo loginctl enable-linger pi" in done.stderr
    assert looks("pi", work)
    refused = bramble("camera", "start", "pi", *SOURCE, "--system", cwd=work)
    assert refused.returncode == 6
    assert "sudo asks pi for a password" in refused.stderr
    ok("stop", "pi", cwd=work)


def test_watchdog_and_start_limit(guest: Guest, work: Path) -> None:
    """A loop that stands still is ended and started anew; one that cannot start is given up, and status says so."""
    ok("start", "op", *SOURCE, "--system", cwd=work)
    folder = "/etc/systemd/system/bramble-camera.service.d"
    guest.run("op", f"sudo mkdir -p {folder}; printf '{DROP_IN}' | sudo tee {folder}/quick.conf")
    guest.run("op", "sudo systemctl daemon-reload; sudo systemctl restart bramble-camera")
    guest.run("op", f"kill -STOP {status('op', work)['service']['MainPID']}")
    wait_for(lambda: status("op", work)["service"].get("NRestarts") == "1", "the watchdog slept")
    assert "Watchdog timeout" in ok("logs", "op", "--lines", "200", cwd=work)
    wait_for(lambda: looks("op", work), "it came not again")

    guest.run("op", "mv .bramble/current .bramble/away; sudo systemctl kill --signal=KILL bramble-camera")
    wait_for(lambda: status("op", work)["service"].get("ActiveState") == "failed", "it was not given up")
    done = bramble("camera", "status", "op", cwd=work)
    assert done.returncode == 5
    assert "failed" in done.stdout
    assert "no bundle at" in ok("logs", "op", "--lines", "200", cwd=work)
    guest.run("op", f"mv .bramble/away .bramble/current; sudo rm -r {folder}")
    ok("stop", "op", cwd=work)


def test_what_cannot_work_changes_nothing(guest: Guest, work: Path) -> None:
    """A start that is refused by its trial leaves the service that runs as it is."""
    ok("start", "op", *SOURCE, "--fps", "10", cwd=work)
    for words, code in (
        (("--source", "v4l2:/dev/video99"), 5),
        ((*SOURCE, "--on", "nosuch:1"), 2),
        ((*SOURCE, "--threshold", "rihgt=0.5"), 2),
    ):
        done = bramble("camera", "start", "op", *words, cwd=work)
        assert done.returncode == code, done.stderr
    told = status("op", work)
    assert (told["service"]["ActiveState"], told["loop"]["source"]) == ("active", SOURCE[1])
    ok("stop", "op", cwd=work)


def test_logs_that_follow(guest: Guest, work: Path) -> None:
    """``logs -f`` goes on until it is ended, and leaves no journalctl behind."""
    import signal
    import subprocess
    import sys

    from running import environment

    ok("start", "pi", *SOURCE, cwd=work)
    command = [sys.executable, "-m", "bramble", "camera", "logs", "pi", "-f"]
    with subprocess.Popen(command, cwd=work, env=environment(), stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert any("seen " in line for line in started.stdout)
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=60)
    assert started.returncode == 0
    wait_for(lambda: not guest.run("pi", "pgrep journalctl", check=False), "journalctl goes on")
    ok("stop", "pi", cwd=work)
