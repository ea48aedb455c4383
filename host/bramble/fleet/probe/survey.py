"""What one look at a board tells before anything of ours runs there: made by ``probe``, read by ``setup`` and findings.

It comes from a plain shell script, so that a board without any Python is described as well.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interpreter:
    """One Python found on a board.

    ``tag`` is its wheel tag ("cp311"), ``platform`` what ``sysconfig.get_platform`` says, ``bits`` the size of its
    pointers; ``venv`` is whether it can make environments, ``pip``, ``numpy`` and ``pillow`` are versions ("" if
    absent), and ``runtimes`` the TFLite runtimes it can find, as "name version". ``named`` is whether it is the one
    that the board's entry in the inventory names, ``environment`` whether it is a virtual environment's.
    """

    path: str
    version: str
    tag: str
    bits: int
    platform: str
    venv: bool
    pip: str = ""
    numpy: str = ""
    pillow: str = ""
    runtimes: tuple[str, ...] = ()
    named: bool = False
    environment: bool = False


@dataclass(frozen=True)
class Survey:
    """A board as a shell sees it. Strings are "" and numbers None where the board does not say.

    ``machine`` is the kernel's architecture (uname -m), ``userland`` the one that programs are built for: "arm64",
    "armhf", "amd64", … (they differ on a 64-bit kernel under a 32-bit userland). ``libc`` is "glibc 2.36" or "musl
    1.2", ``libstdcxx`` the highest GLIBCXX version of the C++ library ("3.4.30", or "unknown"). ``clock_skew_s`` is the
    board's clock minus ours. ``sudo`` is "root", "free" (no password), "password" or "".

    ``throttled_bits`` are the firmware's (0 under-voltage, 1 capped, 2 throttled, 3 soft limit; +16: since boot).
    ``root_in_memory`` is an overlay that the next boot empties, ``swap_on_card`` a swap file or partition on a card.
    ``cameras_busy`` and ``cameras_denied`` name a device and who holds it, or who may not open it.
    ``missing_pythons`` were named and are not there; ``broken_pythons`` are there and do not run, with what they said.
    ``current`` and ``previous`` are the board's releases: name and the first 12 digits of the digest ("" if none).
    """

    model: str
    soc: str
    hostname: str
    machine: str
    userland: str
    system: str
    kernel: str
    libc: str
    libstdcxx: str
    cores: int | None
    cpu: str
    cpu_features: tuple[str, ...]
    memory_bytes: int | None
    memory_available_bytes: int | None
    disk_free_bytes: int | None
    clock_skew_s: float | None
    systemd: bool
    sudo: str
    user: str
    home: str
    cameras: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()  # of those asked for: apt-get, ssh-keygen, systemctl, vcgencmd, sha256sum, …
    pythons: tuple[Interpreter, ...] = ()
    system_id: str = ""  # "debian 12"
    governor: str = ""
    governor_driver: str = ""
    freq_khz: int | None = None
    freq_max_khz: int | None = None
    temp_c: float | None = None
    throttled_bits: int | None = None
    folder_writable: bool = True
    root_read_only: bool = False
    root_in_memory: bool = False
    swap_on_card: bool = False
    cameras_busy: tuple[str, ...] = ()
    cameras_denied: tuple[str, ...] = ()
    missing_pythons: tuple[str, ...] = ()
    broken_pythons: tuple[str, ...] = ()
    current: str = ""
    previous: str = ""
