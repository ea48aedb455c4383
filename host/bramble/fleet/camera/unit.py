"""The systemd unit of a camera loop, as text: started at boot, watched, started anew, capped and locked in.

Type=notify and the watchdog are served by the agent (``bramble_agent.camera.notify``): 30 s without a word from the
loop's own thread end it, which is longer than the loop takes to let go of a camera that hangs. A process that fails is
started anew, at most 5 times in a minute. See systemd.service(5), systemd.exec(5), systemd.resource-control(5).

What confines a service needs a user namespace where the service is a user's own; where users may not make any, those
lines are left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

PREFIX = "bramble-"
SHARED = (
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictNamespaces=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
)
CONFINED = (
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
)


@dataclass(frozen=True)
class Unit:
    """What goes into a unit. Paths are absolute; ``user`` is "" in a user's own unit.

    ``writable`` may be written to besides ``root``; ``memory`` is a size ("512M") or a share ("50%"), ``cpu`` a share
    of one core in percent (0: no cap); ``namespaces`` is whether a user's own service can be confined.
    """

    name: str
    board: str
    command: Sequence[str]
    start: str
    root: str
    user: str = ""
    writable: Sequence[str] = ()
    memory: str = "50%"
    cpu: int = 0
    watchdog_s: int = 30
    namespaces: bool = True


def unit_name(name: str) -> str:
    """The unit of the loop called ``name``."""
    return f"{PREFIX}{name}.service"


def unit_text(unit: Unit) -> str:
    """The unit file."""
    system = bool(unit.user)
    parts = {
        "Unit": _head(unit, system),
        "Service": [*_running(unit), *_limits(unit), *_locks(unit, system)],
        "Install": [f"WantedBy={'multi-user' if system else 'default'}.target"],
    }
    sections = ("\n".join([f"[{title}]", *lines]) for title, lines in parts.items())
    return "# Written by `bramble camera start`, which writes it anew.\n" + "\n\n".join(sections) + "\n"


def _head(unit: Unit, system: bool) -> list[str]:
    waits = ["Wants=network-online.target", "After=network-online.target time-sync.target"] if system else []
    return [
        f"Description=Bramble camera loop {unit.name} of {unit.board}".replace("%", "%%"),
        *waits,
        "StartLimitIntervalSec=60",
        "StartLimitBurst=5",
    ]


def _running(unit: Unit) -> list[str]:
    return [
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={' '.join(quoted(word) for word in unit.command)}",
        *([f"User={unit.user}"] if unit.user else []),
        f"WorkingDirectory={unit.start.replace('%', '%%')}",
        f"RuntimeDirectory={PREFIX}{unit.name}",
        f"Environment=TMPDIR=%t/{PREFIX}{unit.name} PYTHONDONTWRITEBYTECODE=1",
        f"WatchdogSec={unit.watchdog_s}",
        "TimeoutStartSec=120",
        "TimeoutStopSec=20",
        "Restart=on-failure",
        "RestartSec=2",
        "SyslogIdentifier=" + PREFIX + unit.name,
        "LogRateLimitIntervalSec=30",
        "LogRateLimitBurst=300",
    ]


def _limits(unit: Unit) -> list[str]:
    cpu = [f"CPUQuota={unit.cpu}%"] if unit.cpu else []
    return [f"MemoryMax={unit.memory}", *cpu, "TasksMax=128", "LimitCORE=0", "UMask=0077"]


def _locks(unit: Unit, system: bool) -> list[str]:
    if not system and not unit.namespaces:
        return list(SHARED)
    own = ["CapabilityBoundingSet="] if system else ["PrivateUsers=yes"]
    paths = " ".join(quoted(path) for path in (unit.root, *(f"-{path}" for path in unit.writable)))
    return [*SHARED, *own, *CONFINED, f"ReadWritePaths={paths}"]


def quoted(word: str) -> str:
    """A word as a unit file takes it: specifiers and variables are none, what would split it is quoted."""
    plain = word.replace("%", "%%").replace("$", "$$")
    return json.dumps(plain, ensure_ascii=False) if not plain or set(plain) & set(" \t\n\"'\\;") else plain
