"""What a board says of itself: a Raspberry Pi 4's own files in a folder, then with files missing, odd or unreadable."""

from __future__ import annotations

import os
import stat
import struct
import time
from pathlib import Path

import pytest

from bramble_agent import board
from bramble_agent.board import facts, model, snapshot

CPU = "sys/devices/system/cpu/cpufreq/policy0/"
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
TEMP = "sys/class/thermal/thermal_zone0/temp"
PI4 = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/meminfo": "MemTotal:        3884424 kB\nMemFree:         2998760 kB\nMemAvailable:    3496164 kB\n",
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv7 Processor rev 3 (v7l)\nBogoMIPS\t: 108.00\n\nprocessor\t: 1\n"
    "model name\t: another\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    "proc/loadavg": "0.52 0.40 0.31 2/187 4242\n",
    "proc/stat": "cpu  1000 20 300 99999 777 4 50 6 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 1\n",
    "etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\n',
    CPU + "scaling_governor": "ondemand\n",
    CPU + "scaling_cur_freq": "1500398\n",
    CPU + "cpuinfo_max_freq": "1800000\n",
    TEMP: "48199\n",
    THROTTLED: "50005\n",
}

READINGS = {
    CPU + "scaling_governor": "governor",
    CPU + "scaling_cur_freq": "freq_khz",
    CPU + "cpuinfo_max_freq": "freq_max_khz",
    TEMP: "temp_c",
    THROTTLED: "throttled_bits",
    "proc/loadavg": "load1",
    "proc/stat": "busy_cpu_s",
}


def tree(root: Path, **changes: str) -> Path:
    """A Pi 4's files under ``root``, with changes by path."""
    for name, text in {**PI4, **changes}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_facts_of_a_pi(tmp_path: Path) -> None:
    """Name, system, processor and memory are those of the Pi's files; the interpreter's bits are this Python's."""
    got = facts(tmp_path, tree(tmp_path))
    assert got.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert got.system == "Debian GNU/Linux 12 (bookworm)"
    assert got.cpu == "ARMv7 Processor rev 3 (v7l)"
    assert (got.memory_bytes, got.memory_available_bytes) == (3884424 * 1024, 3496164 * 1024)
    assert got.userland_bits == 8 * struct.calcsize("P")
    assert got.cores == len(os.sched_getaffinity(0))
    assert abs(got.clock_s - time.time()) < 60


def test_snapshot_of_a_pi(tmp_path: Path) -> None:
    """Governor, clocks, temperature, throttle bits and load, in the units of the field names."""
    got = snapshot(tree(tmp_path))
    assert (got.governor, got.freq_khz, got.freq_max_khz) == ("ondemand", 1500398, 1800000)
    assert (got.temp_c, got.throttled_bits, got.load1) == (48.199, 0x50005, 0.52)
    # user, nice, system, irq, softirq and steal of the first line; 100 ticks a second on every Linux this runs on
    assert got.busy_cpu_s == (1000 + 20 + 300 + 4 + 50 + 6) / os.sysconf("SC_CLK_TCK")
    assert got.own_cpu_s > 0


def test_nothing_there(tmp_path: Path) -> None:
    """On a system without any of the files every reading is None, and nothing fails."""
    got = snapshot(tmp_path)
    assert (got.governor, got.freq_khz, got.freq_max_khz, got.temp_c) == (None, None, None, None)
    assert (got.throttled_bits, got.load1, got.busy_cpu_s) == (None, None, None)
    known = facts(tmp_path / "not" / "there", tmp_path)
    assert (known.memory_bytes, known.memory_available_bytes) == (None, None)
    assert known.disk_free_bytes is not None
    assert known.model == f"generic {os.uname().machine}"


@pytest.mark.parametrize("name", sorted(PI4))
def test_any_one_file_unreadable(name: str, tmp_path: Path) -> None:
    """With a folder in place of any one file (reading it fails, even for root) the other readings are unharmed."""
    whole = vars(snapshot(tree(tmp_path / "whole")))
    broken = tree(tmp_path / "broken")
    (broken / name).unlink()
    (broken / name).mkdir()
    assert facts(tmp_path, broken).cores >= 1
    now = vars(snapshot(broken))
    lost = [key for key in whole if key not in {"clock_s", "own_cpu_s"} and now[key] != whole[key]]
    assert lost == [field for path, field in READINGS.items() if path == name]
    assert all(now[key] is None for key in lost)


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        (CPU + "scaling_cur_freq", "<unknown>\n", "freq_khz"),
        (CPU + "scaling_governor", "", "governor"),
        (TEMP, "", "temp_c"),
        (TEMP, "--\n", "temp_c"),
        (THROTTLED, "error\n", "throttled_bits"),
        ("proc/loadavg", "", "load1"),
        ("proc/stat", "cpu  1 2\n", "busy_cpu_s"),
    ],
)
def test_odd_content(name: str, text: str, field: str, tmp_path: Path) -> None:
    """A file with something else than its number in it gives None."""
    assert vars(snapshot(tree(tmp_path, **{name: text})))[field] is None


def test_frost(tmp_path: Path) -> None:
    """A temperature below zero is read with its sign."""
    assert snapshot(tree(tmp_path, **{TEMP: "-3500\n"})).temp_c == -3.5


def test_model_of_a_pc(tmp_path: Path) -> None:
    """Where there is no device tree, the BIOS knows the name."""
    (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
    (tmp_path / "sys/class/dmi/id/product_name").write_text("ThinkCentre\n")
    assert model(tmp_path) == "ThinkCentre"


def vcgencmd(folder: Path, script: str) -> None:
    """A vcgencmd that answers by ``script``."""
    (folder / "vcgencmd").write_text("#!/bin/sh\n" + script)
    (folder / "vcgencmd").chmod(stat.S_IRWXU)


@pytest.mark.parametrize(
    ("script", "bits"),
    [
        ("echo throttled=0x50005", 0x50005),
        ("echo throttled=0x0", 0),
        ("echo 'VCHI initialization failed'; exit 255", None),
        ("""echo 'error=1 error_msg="Command not registered"'""", None),
        ("echo throttled=", None),
        ("exit 1", None),
    ],
)
def test_vcgencmd(script: str, bits: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sysfs lacks them, the bits come from vcgencmd; its complaints are no bits."""
    vcgencmd(tmp_path, script)
    root = tree(tmp_path / "root")
    (root / THROTTLED).unlink()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(board, "ROOT", root)  # vcgencmd speaks of the real board only
    assert snapshot(root).throttled_bits == bits


def test_vcgencmd_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vcgencmd that never answers costs its deadline and gives None."""
    vcgencmd(tmp_path, "exec sleep 60")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(board, "ROOT", tmp_path)
    monkeypatch.setattr(board, "PATIENCE_S", 0.2)
    assert snapshot(tmp_path).throttled_bits is None


def test_this_machine() -> None:
    """On the machine of the tests itself: a name, a kernel, some memory, and numbers that a machine can have."""
    got, now = facts(Path.home()), snapshot()
    assert got.model
    assert got.kernel == os.uname().release
    assert got.memory_bytes is not None
    assert got.memory_available_bytes is not None
    assert 0 < got.memory_available_bytes < got.memory_bytes
    assert {runtime.name for runtime in got.runtimes} <= {"ai-edge-litert", "tflite-runtime"}
    assert got.numpy is not None
    assert now.busy_cpu_s is not None
    assert now.busy_cpu_s > 0
