"""The kinds of boards: an ARM userland of a Debian release, and the Raspberry Pi whose files it shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Emulator:
    """How the kernel knows a program of this instruction set (binfmt_misc), and qemu's name for it."""

    name: str
    magic: str
    mask: str


@dataclass(frozen=True)
class Pi:
    """What a model of the Raspberry Pi tells of itself. ``cpu`` is qemu's name of its cores."""

    model: str
    compatible: str
    cpu: str
    cpuinfo: str
    revision: str
    memory_kib: int
    max_khz: int


@dataclass(frozen=True)
class Kind:
    """A board: Debian's ``suite`` for ``arch``, run by ``emulator``, with the files of a ``pi``."""

    name: str
    suite: str
    arch: str
    emulator: Emulator
    pi: Pi
    more_packages: tuple[str, ...] = ()


_ELF = r"\x7f\x45\x4c\x46\x0{}\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x{}\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
AARCH64 = Emulator("aarch64", _ELF.format(2, "b7"), _MASK)
ARM = Emulator("arm", _ELF.format(1, "28"), _MASK)

PI_4 = Pi(
    model="Raspberry Pi 4 Model B Rev 1.5",
    compatible="raspberrypi,4-model-b\0brcm,bcm2711\0",
    cpu="cortex-a72",
    cpuinfo="""BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
""",
    revision="c03115",
    memory_kib=3_884_360,
    max_khz=1_800_000,
)
PI_2 = Pi(
    model="Raspberry Pi 2 Model B Rev 1.1",
    compatible="raspberrypi,2-model-b\0brcm,bcm2836\0",
    cpu="cortex-a7",
    cpuinfo="""model name\t: ARMv7 Processor rev 5 (v7l)
BogoMIPS\t: 38.40
Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm
CPU implementer\t: 0x41
CPU architecture: 7
CPU variant\t: 0x0
CPU part\t: 0xc07
CPU revision\t: 5
""",
    revision="a01041",
    memory_kib=944_264,
    max_khz=900_000,
)

ARM64 = Kind("arm64", "bookworm", "arm64", AARCH64, PI_4)
ARMHF = Kind("armhf", "bookworm", "armhf", ARM, PI_2, ("python3-numpy",))  # PyPI has no numpy for it
BULLSEYE = Kind("bullseye", "bullseye", "arm64", AARCH64, PI_4)
TRIXIE = Kind("trixie", "trixie", "arm64", AARCH64, PI_4)
KINDS = {kind.name: kind for kind in (ARM64, ARMHF, BULLSEYE, TRIXIE)}

# What Raspberry Pi OS Lite has of this and a test may want; libstdc++6: no TFLite runtime can be imported without.
PACKAGES = (
    "base-files base-passwd bash ca-certificates coreutils dash debianutils findutils grep gzip hostname libatomic1 "
    "libc-bin libpam-modules libstdc++6 mawk mount ncurses-base openssh-client openssh-server openssh-sftp-server "
    "procps python3 python3-venv sed sudo tar util-linux"
)
