"""The service's limits, held by the kernel of a whole machine: memory, processor, file system; with a real camera."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bramble.fleet.inventory import save_board
from running import bramble

from .guest import VIDEO, Guest

pytestmark = pytest.mark.slow
GROUP = "/sys/fs/cgroup/system.slice/bramble-camera.service"
WITHIN = f"echo $$ > {GROUP}/cgroup.procs;"
LIMIT_MIB, CPU = 200, 80
PATIENCE_S = 180.0


@pytest.fixture
def work(guest: Guest, home: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder whose user has the guest as a board, with a service there that looks through its camera."""
    home.mkdir(parents=True)
    save_board(guest.board)
    guest.plug_in()
    options = ("--system", "--page", "off", "--memory", f"{LIMIT_MIB}M", "--cpu", str(CPU))
    source = ("--source", f"v4l2:{VIDEO}?fps=5", "--on", "jsonl:~/events.jsonl")
    done = bramble("camera", "start", guest.board.name, *source, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    yield tmp_path
    bramble("camera", "stop", guest.board.name, cwd=tmp_path)


def shown(guest: Guest, what: str) -> str:
    """A property of the unit."""
    return guest.run(f"systemctl show --property={what} --value bramble-camera").strip()


def wait_for(true: Callable[[], bool], what: str) -> None:
    """Until it is so."""
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.5)


def test_limits(guest: Guest, work: Path) -> None:
    """What takes more memory than its cap is killed and comes again; processor and file system are capped as well."""
    pid = shown(guest, "MainPID")
    assert guest.run(f"cat {GROUP}/memory.max").strip() == str(LIMIT_MIB << 20)
    assert guest.run(f"cat {GROUP}/cpu.max").split() == [str(1000 * CPU), "100000"]
    assert int(guest.run(f"cat {GROUP}/memory.peak").strip()) < LIMIT_MIB << 20
    _check_files(guest, pid)
    _check_processor(guest)

    guest.as_root(f"{WITHIN} exec python3 -c 'x = bytearray({2 * LIMIT_MIB} << 20)'", check=False)
    wait_for(lambda: shown(guest, "NRestarts") == "1", "nothing was killed, or it does not come again")
    wait_for(lambda: shown(guest, "ActiveState") == "active", "it does not come again")
    assert shown(guest, "MainPID") not in ("0", pid)
    assert "oom-kill" in guest.as_root("journalctl -u bramble-camera")
    assert "out of memory" in guest.as_root("dmesg").lower()
    told = json.loads(bramble("camera", "status", guest.board.name, "--json", cwd=work).stdout)
    assert told["loop"]["frames"] > 0
    assert told["loop"]["trouble"] == ""


def _check_files(guest: Guest, pid: str) -> None:
    """Within its mounts not even root may write, but for its own folder and where its actions write to."""
    inside = f"nsenter --target {pid} --mount"
    for path in ("/etc/x", "/usr/x", "/var/x", "/home/x"):
        said = guest.as_root(f"{inside} touch {path} 2>&1", check=False)
        assert "Read-only file system" in said, (path, said)
    assert "Read-only" in guest.as_root(f"{inside} sh -c 'echo 1 > /proc/sys/kernel/panic' 2>&1", check=False)
    guest.as_root(f"{inside} touch /home/pi/.bramble/x /home/pi/x && rm /home/pi/.bramble/x /home/pi/x")


def _check_processor(guest: Guest) -> None:
    """Two endless loops beside it get no more of a core than the share they have together, by the guest's own clock."""
    script = f"""
{WITHIN}
used() {{ sed -n 's/usage_usec //p' {GROUP}/cpu.stat; }}
now() {{ date +%s%N; }}
timeout 5 sh -c 'while :; do :; done' & timeout 5 sh -c 'while :; do :; done' &
sleep 1; a=$(used); s=$(now); sleep 3; b=$(used); e=$(now)
echo $((b - a)) $(((e - s) / 1000))
wait
"""
    used, passed = map(int, guest.as_root(script).split())
    assert 0.5 * CPU < 100 * used / passed < 1.15 * CPU
    throttled = int(guest.run(f"sed -n 's/nr_throttled //p' {GROUP}/cpu.stat"))
    assert throttled > 10
