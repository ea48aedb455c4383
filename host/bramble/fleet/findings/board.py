"""Findings about the board itself: power, heat, clock, storage, memory, cameras, services. A function is one check."""

from __future__ import annotations

from collections.abc import Iterator

from bramble.fleet.findings.finding import Finding, install
from bramble.fleet.probe.survey import Survey
from bramble.report.units import duration, si

NEED_DISK, LITTLE_DISK = 100_000_000, 500_000_000  # a runtime with NumPy takes about 150 MB, a release a few
NEED_MEMORY, LITTLE_MEMORY = 64_000_000, 150_000_000  # available: an interpreter with a small model takes 60 MB
SKEW_S, WRONG_DAY_S = 120.0, 86_400.0
HOT_C = 80.0  # Raspberry Pis slow down from there on, a 3B+ earlier
INTEL = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")  # their "powersave" is the usual, dynamic governor
NOW = {0: "the voltage is too low", 1: "the frequency is capped", 2: "it is throttled", 3: "it is at its heat limit"}
BOOT = {
    0: "the voltage was too low",
    1: "the frequency was capped",
    2: "it was throttled",
    3: "it was at its heat limit",
}
LATELY = "at some time since boot"
SUPPLY = "use the supply made for the board and a short, thick cable; a Pi 4 takes 3 A, a Pi 5 takes 5 A"
COOL = "cool it: a heat sink or a fan; latencies measured so are not the board's"


def throttling(survey: Survey) -> Iterator[Finding]:
    """Under-voltage and throttling, now or since boot, by the firmware's bits."""
    bits = survey.throttled_bits or 0
    now, since = bits & 0xF, bits >> 16 & 0xF
    if now & 1:
        yield Finding("under-voltage", "problem", f"{NOW[0]} now", SUPPLY)
    elif since & 1:
        yield Finding("under-voltage-since-boot", "warning", f"{BOOT[0]} {LATELY}", SUPPLY)
    if now & 0b1110:
        yield Finding("throttled", "problem", f"{_told(NOW, now)} now", COOL)
    elif since & 0b1110:
        yield Finding("throttled-since-boot", "warning", f"{_told(BOOT, since)} {LATELY}", COOL)


def heat(survey: Survey) -> Iterator[Finding]:
    """A processor that is about to slow down."""
    if survey.temp_c is not None and survey.temp_c >= HOT_C:
        yield Finding("hot", "warning", f"the processor is at {survey.temp_c:.0f} °C", COOL)


def governor(survey: Survey) -> Iterator[Finding]:
    """A governor that holds the lowest frequency."""
    if "powersave" in survey.governor.split(", ") and survey.governor_driver not in INTEL:
        yield Finding(
            "governor-powersave",
            "warning",
            "the governor is powersave: the processor stays at its lowest frequency",
            "echo ondemand | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
        )


def clock(survey: Survey) -> Iterator[Finding]:
    """A clock that differs from ours: certificates, logs and frame ages go wrong."""
    skew = survey.clock_skew_s
    if skew is None or abs(skew) <= SKEW_S:
        return
    fix = "sudo timedatectl set-ntp true" if survey.systemd else "start an NTP client (chrony, ntpd)"
    far = abs(skew) > WRONG_DAY_S
    suffers = "pip and TLS refuse certificates" if far else "times in logs and reports do not match"
    said = f"its clock is {duration(abs(skew))} {'behind' if skew < 0 else 'ahead'}: {suffers}"
    yield Finding("clock-skew", "problem" if far else "warning", said, fix)


def storage(survey: Survey) -> Iterator[Finding]:
    """Little space, what cannot be written, what does not last."""
    free = survey.disk_free_bytes
    if free is not None and free < LITTLE_DISK:
        level = "problem" if free < NEED_DISK else "warning"
        yield Finding(
            "low-disk",
            level,
            f"{si(free, 'B')} of disk are free",
            "free some: sudo apt clean, journalctl --vacuum-size=50M",
        )
    if survey.root_read_only:
        said = "the root file system is mounted read-only"
        advice = "a worn or damaged SD card does that (see dmesg); else: sudo mount -o remount,rw /"
        yield Finding("root-read-only", "warning" if survey.folder_writable else "problem", said, advice)
    elif not survey.folder_writable:
        said = f"Bramble's folder on the board cannot be written by {survey.user}"
        yield Finding("folder-not-writable", "problem", said, "check who owns it, or set another root for the board")
    if survey.root_in_memory:
        said = "the root is an overlay in memory: what is put there is gone after a restart"
        yield Finding("root-in-memory", "warning", said, "sudo raspi-config nonint disable_overlayfs, then restart")
    if survey.swap_on_card:
        said = "swap lies on the SD card and wears it"
        yield Finding("swap-on-card", "info", said, install(survey, "zram-tools") + ", and turn the other swap off")


def memory(survey: Survey) -> Iterator[Finding]:
    """Little memory."""
    free = survey.memory_available_bytes
    if free is not None and free < LITTLE_MEMORY:
        level = "problem" if free < NEED_MEMORY else "warning"
        yield Finding("low-memory", level, f"{si(free, 'B')} of memory are available", "stop what is not needed there")


def cameras(survey: Survey) -> Iterator[Finding]:
    """A camera that another process holds, or that the user may not open."""
    for held in survey.cameras_busy:
        yield Finding("camera-busy", "warning", held, "end that process, if it should not have the camera")
    for shut in survey.cameras_denied:
        yield Finding("camera-denied", "warning", shut, f"sudo usermod -aG video {survey.user}, then log in again")


def services(survey: Survey) -> Iterator[Finding]:
    """No systemd, no way to become root."""
    if not survey.systemd:
        said = "no systemd: nothing starts a service at boot, or again after a crash"
        yield Finding("no-systemd", "warning", said, "push, verify and bench work; services need a system with systemd")
    if not survey.sudo:
        said = f"{survey.user or 'the user'} cannot become root: no sudo"
        yield Finding("no-sudo", "info", said, "what needs packages must be installed by someone who can")


def _told(words: dict[int, str], bits: int) -> str:
    return ", ".join(word for bit, word in words.items() if bit and bits >> bit & 1)
