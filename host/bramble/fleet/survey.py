"""What one look at a board tells before anything of ours runs there: made by ``probe``, read by ``setup`` and findings.

It comes from a plain shell script, so that a board without any Python is described as well.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interpreter:
    """One Python found on a board.

    ``tag`` is its wheel tag ("cp311"), ``platform`` what ``sysconfig.get_platform`` says, ``bits`` the size of its
    pointers; ``venv`` is whether it can make environments, ``pip`` and ``numpy`` are versions ("" if absent), and
    ``runtimes`` the TFLite runtimes it can find, as "name version".
    """

    path: str
    version: str
    tag: str
    bits: int
    platform: str
    venv: bool
    pip: str = ""
    numpy: str = ""
    runtimes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survey:
    """A board as a shell sees it. Strings are "" and numbers None where the board does not say.

    ``machine`` is the kernel's architecture (uname -m), ``userland`` the one that programs are built for: "arm64",
    "armhf", "amd64", … (they differ on a 64-bit kernel under a 32-bit userland). ``libc`` is "glibc 2.36" or "musl
    1.2", ``libstdcxx`` the highest GLIBCXX version of the C++ library ("3.4.30"). ``clock_skew_s`` is the board's clock
    minus ours. ``sudo`` is "root", "free" (no password), "password" or "".
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
