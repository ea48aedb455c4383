"""What single records mean."""

from __future__ import annotations

import json

import pytest

from bramble.fleet.probe.describe import describe
from bramble.fleet.probe.records import Records
from fleet.boards import FACTS, elf


def told(**records: str | list[str]) -> Records:
    """Records by key."""
    return Records({key: [value] if isinstance(value, str) else value for key, value in records.items()})


def test_a_board_that_says_nothing() -> None:
    """Strings are empty, numbers are None, nothing is claimed to be wrong."""
    survey = describe(told(), None)
    assert (survey.model, survey.machine, survey.userland, survey.libc) == ("generic", "", "", "")
    assert (survey.cores, survey.memory_bytes, survey.disk_free_bytes, survey.throttled_bits) == (None,) * 4
    assert survey.folder_writable
    assert not survey.root_read_only


@pytest.mark.parametrize(
    ("bits", "machine", "flags", "userland"),
    [
        (64, 183, 0, "arm64"),
        (64, 62, 0, "amd64"),
        (32, 3, 0, "i386"),
        (64, 243, 0, "riscv64"),
        (32, 40, 0x05000400, "armhf"),
        (32, 40, 0x05000200, "armel"),
        (32, 183, 0, "fallback"),
    ],
)
def test_userland(bits: int, machine: int, flags: int, userland: str) -> None:
    """The ELF header's class, machine and, for ARM, float ABI (ELF for the Arm Architecture, e_flags)."""
    head = elf(bits, machine, flags)[:40].hex(" ")
    assert describe(told(elf=head, package_architecture="fallback"), None).userland == userland


@pytest.mark.parametrize(("named", "userland"), [("armhf", "armhf"), ("armv7", "armhf"), ("x86_64", "amd64"), ("", "")])
def test_userland_by_name(named: str, userland: str) -> None:
    """Debian's names of architectures, and Alpine's in Debian's words."""
    assert describe(told(elf="7f 45 4c", package_architecture=named), None).userland == userland


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('PRETTY_NAME="Raspbian GNU/Linux 11 (bullseye)"', "Raspbian GNU/Linux 11 (bullseye)"),
        ("PRETTY_NAME=Alpine", "Alpine"),
        ("PRETTY_NAME='it is'", "it is"),
        ('PRETTY_NAME="no end', "no end"),
    ],
)
def test_os_release(line: str, name: str) -> None:
    """The file is in a shell's syntax, with and without quotes."""
    assert describe(told(os=line), None).system == name


@pytest.mark.parametrize(("said", "libc"), [("glibc 2.31", "glibc 2.31"), ("undefined", ""), ("glibc", "")])
def test_glibc(said: str, libc: str) -> None:
    """What getconf says, if it is a version."""
    assert describe(told(libc=said), None).libc == libc


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("found GLIBCXX_3.4.9 GLIBCXX_3.4.29 GLIBCXX_3.4 GLIBCXX_3.4.3", "3.4.29"),
        ("found", "unknown"),
        (None, ""),
    ],
)
def test_libstdcxx(said: str | None, version: str) -> None:
    """The highest version by number, not by letter; a library that tells none is unknown, not missing."""
    assert describe(told(**({"libstdcxx": said} if said else {})), None).libstdcxx == version


@pytest.mark.parametrize(("online", "cores"), [("0-3", 4), ("0", 1), ("0-3,6", 5), ("", 2), ("3-0", 2), ("x", 2)])
def test_cores(online: str, cores: int) -> None:
    """The kernel's list of CPUs, else nproc's number."""
    assert describe(told(online=online, processors="2"), None).cores == cores


@pytest.mark.parametrize(
    ("said", "alarm", "bits"),
    [
        ("throttled=0x50005", "0", 0x50005),
        ("50005", "0", 0x50005),
        ("VCHI initialization failed", "1", 1),
        (None, "1", 1),
        (None, "0", 0),
        (None, None, None),
    ],
)
def test_throttled(said: str | None, alarm: str | None, bits: int | None) -> None:
    """The firmware's bits; without them the kernel's alarm for under-voltage; else it is not known."""
    records = told(
        **({"throttled": said} if said else {}), **({"hwmon": f"no {alarm} rpi_volt"} if alarm is not None else {})
    )
    assert describe(records, None).throttled_bits == bits


def test_fastest_cores_and_every_governor() -> None:
    """Of two clusters the frequency is the faster one's, and both governors are told."""
    survey = describe(
        told(frequency=["408000 1800000", "816000 2400000", "broken"], governor=["powersave", "ondemand"]), None
    )
    assert (survey.freq_khz, survey.freq_max_khz) == (816_000, 2_400_000)
    assert survey.governor == "powersave, ondemand"


@pytest.mark.parametrize(
    ("zones", "temp_c"),
    [(["41000 gpu-thermal", "48700 cpu-thermal"], 48.7), (["27800 acpitz"], 27.8), (["hot"], None), ([], None)],
)
def test_temperature(zones: list[str], temp_c: float | None) -> None:
    """The processor's zone goes before others."""
    assert describe(told(thermal=zones), None).temp_c == temp_c


@pytest.mark.parametrize(
    ("swap", "root", "on_card"),
    [
        ("/var/swap file 102396 0 -2", "/dev/mmcblk0p2 / ext4 rw 0 0", True),
        ("/var/swap file 102396 0 -2", "/dev/sda2 / ext4 rw 0 0", False),
        ("/dev/mmcblk0p3 partition 102396 0 -2", "/dev/sda2 / ext4 rw 0 0", True),
        ("/dev/zram0 partition 102396 0 100", "/dev/mmcblk0p2 / ext4 rw 0 0", False),
    ],
)
def test_swap(swap: str, root: str, on_card: bool) -> None:
    """A swap file wears the disk of the root, a partition its own; compressed memory wears nothing."""
    assert describe(told(swap=swap, root_mount=root), None).swap_on_card is on_card


@pytest.mark.parametrize(("options", "read_only"), [("ro,noatime", True), ("rw,errors=remount-ro", False)])
def test_read_only_root(options: str, read_only: bool) -> None:
    """Read-only is an option of its own, not a part of another."""
    assert describe(told(root_mount=f"/dev/mmcblk0p2 / ext4 {options} 0 0"), None).root_read_only is read_only


def test_disk() -> None:
    """The free kilobytes stand before the share, whatever the name of the file system."""
    survey = describe(told(disk="//nas/my share 264212084 43625740 62765172 42% /mnt/x 1"), None)
    assert survey.disk_free_bytes == 62_765_172 * 1024


def test_model_without_a_device_tree() -> None:
    """A Raspberry Pi's kernel says the model in /proc/cpuinfo too; a PC's BIOS has one; else the architecture."""
    assert describe(told(cpuinfo="1 Model\t\t: Raspberry Pi 3 Model B", dmi_model="x"), None).soc == "Broadcom BCM2837"
    assert describe(told(dmi_model="NUC7i5"), None).model == "NUC7i5"
    assert describe(told(machine="riscv64"), None).model == "generic riscv64"


@pytest.mark.parametrize(
    "facts",
    [
        "not json",
        "[]",
        "{}",
        json.dumps({**FACTS, "version": "\x1b[2J"}),
        json.dumps({**FACTS, "bits": float("inf")}),
        json.dumps({**FACTS, "prefix": []}),
        json.dumps({**FACTS, "runtimes": 3}),
        "[" * 3000,
    ],
)
def test_python_that_talks_nonsense(facts: str) -> None:
    """Facts that are none are left out; the next Python is read."""
    good = json.dumps(FACTS)
    survey = describe(told(python=[f"/usr/bin/python3\t{facts}", f"/opt/python3\t{good}"]), None)
    assert [one.path for one in survey.pythons] == ["/opt/python3"]


def test_python_told_twice() -> None:
    """Two ways to the same installation are one Python, by its prefix and version."""
    lines = [f"{path}\t{json.dumps(FACTS)}" for path in ("/usr/bin/python3", "/shims/python3")]
    assert [one.path for one in describe(told(python=lines), None).pythons] == ["/usr/bin/python3"]


@pytest.mark.parametrize(
    ("said", "release"),
    [
        (f"{'3dc01152b897' + 52 * 'a'} digits-int8", "digits-int8 3dc01152b897"),
        (f"{'3dc01152b897' + 52 * 'a'} ", "3dc01152b897"),
        ("elsewhere digits-int8", ""),
        ("", ""),
    ],
)
def test_releases(said: str, release: str) -> None:
    """A release is told by its name and short digest; a link that leads to no release is none."""
    survey = describe(told(release_current=said, release_previous=said), None)
    assert (survey.current, survey.previous) == (release, release)
