"""One look at a board: real shells on this machine and over SSH, and boards that are not here."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

import pytest

from bramble.fleet.connect import connect
from bramble.fleet.probe.probe import survey
from bramble.fleet.probe.survey import Interpreter
from bramble.fleet.types import Connection
from fleet.boards import TOOLS, Shell, elf, pi_root, pi_tools, python_that_says, stand_in, write
from serving import Server, board_of


def test_script_is_packed() -> None:
    """The script is found as the installed package's own file."""
    text = resources.files("bramble.fleet.probe").joinpath("probe.sh").read_text("utf-8")
    assert text.startswith("#!/bin/sh\n")


def test_script_passes_shellcheck() -> None:
    """The checker of shell scripts finds nothing, also nothing that only bash knows."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: apt install shellcheck")
    with resources.as_file(resources.files("bramble.fleet.probe").joinpath("probe.sh")) as script:
        done = subprocess.run(["shellcheck", "-s", "sh", script], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_this_machine(shell: list[str], tmp_path: Path) -> None:
    """Every shell tells of this machine what Python knows of it, in one command, and leaves nothing behind."""
    home = tmp_path / "home"
    home.mkdir()
    connection = Shell(home, shell)
    told = survey(connection, pythons=[sys.executable])
    assert len(connection.commands) == 1
    assert (told.machine, told.kernel, told.hostname) == (platform.machine(), platform.release(), platform.node())
    assert told.userland == {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    assert told.libc == " ".join(platform.libc_ver())
    assert told.libstdcxx.startswith("3.4.")
    assert told.cores == os.cpu_count()
    assert told.memory_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert told.disk_free_bytes == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    assert told.clock_skew_s == pytest.approx(0, abs=5)
    assert told.home == str(home)
    assert (told.sudo == "root") == (os.geteuid() == 0)
    assert "sha256sum" in told.tools
    assert list(home.iterdir()) == []


@pytest.mark.slow
def test_python_of_this_machine(tmp_path: Path) -> None:
    """The Python that runs the tests comes first, with what is installed there."""
    import numpy as np
    import PIL

    first = survey(Shell(tmp_path), pythons=[sys.executable]).pythons[0]
    assert (first.path, first.version, first.named) == (sys.executable, platform.python_version(), True)
    assert first.tag == f"cp3{sys.version_info.minor}"
    assert (first.numpy, first.pillow) == (np.__version__, PIL.__version__)
    assert first.runtimes[0].startswith("ai-edge-litert 2.")
    assert first.environment == (sys.prefix != sys.base_prefix)
    assert first.bits == 64


@pytest.mark.slow
def test_local_and_over_ssh(connection: Connection) -> None:
    """A real OpenSSH server's session tells the same as a process of our own, whatever the folder's name."""
    told = survey(connection, pythons=[sys.executable])
    assert (told.hostname, told.machine) == (platform.node(), platform.machine())
    assert told.pythons[0].path == sys.executable
    assert told.folder_writable


def test_raspberry_pi(shell: list[str], pi: Path, tmp_path: Path) -> None:
    """A Raspberry Pi 4 with two cameras, one of them in use, and a power monitor, as every shell reads it."""
    connection = Shell(tmp_path, shell, pi_tools(tmp_path / "bin"))
    told = survey(connection, root=str(pi))
    assert len(connection.commands) == 1
    assert (told.model, told.soc) == ("Raspberry Pi 4 Model B Rev 1.4", "Broadcom BCM2711")
    assert (told.cpu, told.cores) == ("4 × Cortex-A72", 4)
    assert told.cpu_features == ("asimd", "cpuid", "crc32", "evtstrm", "fp")
    assert (told.machine, told.userland, told.libc, told.libstdcxx) == ("aarch64", "arm64", "glibc 2.36", "3.4.30")
    assert (told.system, told.system_id) == ("Debian GNU/Linux 12 (bookworm)", "debian 12")
    assert (told.memory_bytes, told.memory_available_bytes) == (3_884_376 * 1024, 3_330_000 * 1024)
    assert (told.governor, told.freq_khz, told.freq_max_khz, told.temp_c) == ("ondemand", 600_000, 1_800_000, 48.686)
    assert told.throttled_bits == 0x50000
    assert told.cameras == ("imx219 (CSI, I2C 10-0010)", "HD Pro Webcam C920 (/dev/video2)")
    assert told.cameras_busy == ("/dev/video2 is held by rpicam-vid (process 812)",)
    assert told.sensors == ("cpu_thermal", "rpi_volt", "ina219 (power)", "ina226 (I2C 1-0041, no driver)")
    assert told.systemd
    assert told.swap_on_card
    assert not told.root_read_only
    assert told.tools == ("apt-get", "dpkg", "vcgencmd")
    python = Interpreter(
        path=f"{tmp_path}/bin/python3",
        version="3.11.2",
        tag="cp311",
        bits=64,
        platform="linux-aarch64",
        venv=True,
        pip="23.0.1",
        numpy="1.24.2",
        pillow="9.4.0",
        runtimes=("tflite-runtime 2.14.0",),
    )
    assert told.pythons == (python,)


def test_32_bit_userland(pi: Path, tmp_path: Path) -> None:
    """The userland is what /bin/sh is built for, whatever uname says, and its own libstdc++ is the one that counts."""
    write(pi, {"bin/sh": elf(32, 40, 0x05000400)})
    told = survey(Shell(tmp_path, path=pi_tools(tmp_path / "bin")), root=str(pi))
    assert (told.machine, told.userland, told.libstdcxx) == ("aarch64", "armhf", "3.4.99")


def test_nothing_but_busybox(pi: Path, tmp_path: Path) -> None:
    """Busybox alone, without any other program on the PATH, tells all but what other programs know."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed: apt install busybox")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*TOOLS, "uname", "nproc"):
        (folder / name).symlink_to(busybox)
    told = survey(Shell(tmp_path, ["busybox", "sh"], folder), root=str(pi))
    assert (told.model, told.userland, told.libstdcxx) == ("Raspberry Pi 4 Model B Rev 1.4", "arm64", "3.4.30")
    assert (told.cpu, told.cores, told.temp_c) == ("4 × Cortex-A72", 4, 48.686)
    assert told.cameras_busy == ("/dev/video2 is held by rpicam-vid (process 812)",)
    assert told.disk_free_bytes is not None
    assert told.clock_skew_s is not None
    assert (told.pythons, told.libc) == ((), "")


def test_nothing_but_a_shell(pi: Path, tmp_path: Path) -> None:
    """Without a single tool the look ends all the same, and what is not known is not made up."""
    (tmp_path / "empty").mkdir()
    told = survey(Shell(tmp_path, ["dash"], tmp_path / "empty"), root=str(pi))
    assert (told.machine, told.cores, told.memory_bytes, told.clock_skew_s) == ("", None, None, None)
    assert (told.pythons, told.tools, told.sudo) == ((), (), "")
    assert told.folder_writable
    assert told.home == str(tmp_path)


def test_musl(pi: Path, tmp_path: Path) -> None:
    """The loader of musl says its version when it is run."""
    (pi / "lib").mkdir()
    stand_in(pi / "lib/ld-musl-aarch64.so.1", "printf 'musl libc (aarch64)\\nVersion 1.2.4\\n' >&2; exit 1")
    path = pi_tools(tmp_path / "bin", getconf="exit 1", dpkg="exit 1", apk="echo aarch64")
    told = survey(Shell(tmp_path, path=path), root=str(pi))
    assert told.libc == "musl 1.2"
    assert "apk" in told.tools


def test_architecture_by_the_package_manager(pi: Path, tmp_path: Path) -> None:
    """Where /bin/sh cannot be read the package manager is asked."""
    (pi / "bin/sh").unlink()
    told = survey(Shell(tmp_path, path=pi_tools(tmp_path / "bin", dpkg="echo armhf")), root=str(pi))
    assert told.userland == "armhf"


def test_no_python(pi: Path, tmp_path: Path) -> None:
    """A board without Python is described as well as any other."""
    path = pi_tools(tmp_path / "bin")
    (path / "python3").unlink()
    told = survey(Shell(tmp_path, path=path), root=str(pi), pythons=["python3"])
    assert (told.pythons, told.missing_pythons) == ((), ("python3",))
    assert told.model == "Raspberry Pi 4 Model B Rev 1.4"


def test_pythons_by_name_and_place(pi: Path, tmp_path: Path) -> None:
    """The named one comes first, then Bramble's environment, then the PATH; one program is told once."""
    path = pi_tools(tmp_path / "bin", **{"python3.13": python_that_says(version="3.13.5", tag="cp313", prefix="/opt")})
    (path / "python3.11").symlink_to("python3")
    environment = tmp_path / ".bramble/venv"
    script = python_that_says(prefix=str(environment), in_venv=True, runtimes=["ai-edge-litert 2.3.0"])
    write(environment, {"pyvenv.cfg": ""})
    stand_in(environment / "bin/python", script)
    told = survey(Shell(tmp_path, path=path), root=str(pi), pythons=["python3.11"])
    found = [(one.path, one.version, one.named, one.environment) for one in told.pythons]
    assert found == [
        (f"{path}/python3.11", "3.11.2", True, False),
        (f"{environment}/bin/python", "3.11.2", False, True),
        (f"{path}/python3.13", "3.13.5", False, False),
    ]


def test_python_that_does_not_run(pi: Path, tmp_path: Path) -> None:
    """A Python that fails is told with its last words; a shim of one that is not installed is not told."""
    said = "echo noise; echo 'libpython3.12.so.1.0: cannot open' >&2; exit 1"
    path = pi_tools(tmp_path / "bin", **{"python3.12": said, "python3.9": "echo 'pyenv: not installed'; exit 127"})
    told = survey(Shell(tmp_path, path=path), root=str(pi))
    assert told.broken_pythons == (f"{path}/python3.12: libpython3.12.so.1.0: cannot open",)
    assert [one.version for one in told.pythons] == ["3.11.2"]


def test_folder_from_home(server: Server) -> None:
    """A root below ``~`` is looked for where commands start: the space is that folder's, and so is its environment."""
    environment = server.home / ".bramble/venv"
    stand_in(environment / "bin/python", python_that_says(prefix=str(environment), in_venv=True))
    write(environment, {"pyvenv.cfg": ""})
    with connect(board_of(server, "~/.bramble")) as connection:
        told = survey(connection)
    assert f"{server.home}/.bramble/venv/bin/python" in [one.path for one in told.pythons]
    assert told.disk_free_bytes == pytest.approx(shutil.disk_usage(server.home).free, rel=0.05)
    shutil.rmtree(environment.parent)


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_camera_that_may_not_be_opened(mode: int) -> None:
    """A camera's node that the user can only read, or not even that, is told; root may do all, so it is not asked."""
    user = ["setpriv", "--reuid=65534", "--clear-groups", "sh"] if os.geteuid() == 0 else ["sh"]
    with tempfile.TemporaryDirectory() as name:  # where also another user than the one of the tests may look
        folder = Path(name)
        folder.chmod(0o755)
        pi = pi_root(folder / "pi")
        (pi / "dev/video2").chmod(mode)
        path = pi_tools(folder / "bin", id="case $1 in -un) echo pi;; *) echo 1000;; esac")
        told = survey(Shell(folder, user, path), root=str(pi))
    assert told.cameras_denied == ("/dev/video2 may not be opened by pi",)
    assert told.folder_writable == (os.geteuid() != 0)


@pytest.mark.parametrize(
    ("script", "expected"),
    [("exit 0", "free"), ("echo 'a password is required' >&2; exit 1", "password"), (None, "")],
)
def test_sudo(pi: Path, tmp_path: Path, script: str | None, expected: str) -> None:
    """Sudo without and with a password, and none."""
    scripts = {"id": "case $1 in -un) echo pi;; *) echo 1000;; esac", **({"sudo": script} if script else {})}
    told = survey(Shell(tmp_path, path=pi_tools(tmp_path / "bin", **scripts)), root=str(pi))
    assert (told.sudo, told.user) == (expected, "pi")
