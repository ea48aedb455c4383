"""What the packages' scripts would have written, by hand: accounts, login by key, links, certificates, the Pi's tool.

Scripts would have to run under emulation, for minutes. PAM permits everything: who gets in is decided by sshd's keys.
"""

from __future__ import annotations

import os
from pathlib import Path

PI = 1000
ACCOUNTS = (
    "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n",
    f"pi:x:{PI}:{PI}:,,,:/home/pi:/bin/bash\n",
)
GROUPS = {"pi": (PI, ""), "gpio": (997, "pi"), "i2c": (998, "pi"), "spi": (999, "pi"), "render": (106, "pi")}
GROUPS_OF_PI = ("adm", "dialout", "cdrom", "sudo", "audio", "video", "plugdev", "users")
SSHD = """Include /etc/ssh/sshd_config.d/*.conf
HostKey /etc/ssh/ssh_host_ed25519_key
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""
# What Raspberry Pi OS has, and that sudo hands the emulator's CPU on.
SUDOERS = 'pi ALL=(ALL) NOPASSWD: ALL\nDefaults env_keep += "QEMU_CPU"\n'
PAM = ("auth", "account", "password", "session")
VCGENCMD = """#!/bin/sh
# The firmware's tool, as far as /sys tells the same.
case "$1" in
    get_throttled) echo "throttled=0x$(cat /sys/devices/platform/soc/soc:firmware/get_throttled)" ;;
    measure_temp) awk '{printf "temp=%.1f'\\''C\\n", $1 / 1000}' /sys/class/thermal/thermal_zone0/temp ;;
    *) echo 'error=1 error_msg="Command not registered"' ; exit 255 ;;
esac
"""
LINKS = {
    "etc/os-release": "../usr/lib/os-release",
    "etc/mtab": "../proc/self/mounts",
    "usr/bin/awk": "mawk",
    "usr/bin/which": "which.debianutils",
    "var/run": "/run",
    # python3-numpy's, where it is there: libblas3 and liblapack3 leave them to update-alternatives
    "usr/lib/arm-linux-gnueabihf/libblas.so.3": "blas/libblas.so.3",
    "usr/lib/arm-linux-gnueabihf/liblapack.so.3": "lapack/liblapack.so.3",
}
MODES = {
    ".": 0o755,
    "etc/passwd": 0o644,
    "etc/group": 0o644,
    "etc/shadow": 0o640,
    "root": 0o700,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
    "etc/sudoers.d/010_pi-nopasswd": 0o440,
    "usr/bin/vcgencmd": 0o755,
}


def write(root: Path) -> None:
    """Make unpacked packages a userland that one can log in to."""
    _accounts(root)
    _link(root)
    certificates = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    files = {
        "etc/ssh/sshd_config": SSHD,
        "etc/sudoers.d/010_pi-nopasswd": SUDOERS,
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
        "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
        "etc/hostname": "raspberrypi\n",
        "etc/default/locale": "LANG=C.UTF-8\n",
        "etc/ssl/certs/ca-certificates.crt": "".join(one.read_text() for one in certificates),
        "usr/bin/vcgencmd": VCGENCMD,
        **{f"etc/pam.d/common-{name}": f"{name} required pam_permit.so\n" for name in PAM},
        "etc/pam.d/common-session-noninteractive": "session required pam_permit.so\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    for name, mode in MODES.items():
        (root / name).chmod(mode)


def _accounts(root: Path) -> None:
    masters = root / "usr/share/base-passwd"
    people = (masters / "passwd.master").read_text().replace(":*:", ":x:") + "".join(ACCOUNTS)
    groups = []
    for line in (masters / "group.master").read_text().splitlines():
        name, _, number, _ = line.split(":")
        groups.append(f"{name}:x:{number}:{'pi' if name in GROUPS_OF_PI else ''}\n")
    groups += [f"{name}:x:{number}:{members}\n" for name, (number, members) in GROUPS.items()]
    (root / "etc/passwd").write_text(people)
    (root / "etc/group").write_text("".join(groups))
    shadows = [f"{line.split(':')[0]}:*:20000:0:99999:7:::\n" for line in people.splitlines()]
    (root / "etc/shadow").write_text("".join(shadows))
    home = root / "home/pi"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    for name in (".bashrc", ".profile"):
        skeleton = root / "etc/skel" / name
        (home / name).write_text(skeleton.read_text())
    for path in (home, *home.iterdir()):
        os.chown(path, PI, PI)


def _link(root: Path) -> None:
    for name, target in LINKS.items():
        path = root / name
        if path.parent.is_dir() and not os.path.lexists(path):
            path.symlink_to(target)
