"""What a Raspberry Pi's kernel shows of the board: /sys (the device tree in it), /proc/cpuinfo and /proc/meminfo.

They are plain files: root can write to them from outside and so heat a board, throttle it or take its sensors away.
"""

from __future__ import annotations

from .kinds import Pi

CORES = 4
SERIAL = "10000000b2a3b1e5"
FREQUENCY = "devices/system/cpu/cpufreq/policy0"


def sys_files(pi: Pi) -> dict[str, str]:
    """The files of /sys by their paths in it: an idle board at 47.7 °C, with nothing to complain of."""
    return {
        "class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "class/thermal/thermal_zone0/temp": "47712\n",
        "class/hwmon/hwmon0/name": "cpu_thermal\n",
        "class/hwmon/hwmon0/temp1_input": "47712\n",
        "class/hwmon/hwmon1/name": "rpi_volt\n",
        "class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
        "devices/platform/soc/soc:firmware/get_throttled": "0\n",
        **{f"devices/system/cpu/{which}": f"0-{CORES - 1}\n" for which in ("online", "possible", "present")},
        f"{FREQUENCY}/scaling_governor": "ondemand\n",
        f"{FREQUENCY}/scaling_available_governors": "conservative ondemand userspace powersave performance schedutil\n",
        f"{FREQUENCY}/scaling_cur_freq": "600000\n",
        f"{FREQUENCY}/scaling_min_freq": "600000\n",
        f"{FREQUENCY}/scaling_max_freq": f"{pi.max_khz}\n",
        f"{FREQUENCY}/cpuinfo_min_freq": "600000\n",
        f"{FREQUENCY}/cpuinfo_max_freq": f"{pi.max_khz}\n",
        f"{FREQUENCY}/related_cpus": " ".join(str(core) for core in range(CORES)) + "\n",
        "firmware/devicetree/base/model": f"{pi.model}\0",
        "firmware/devicetree/base/compatible": pi.compatible,
        "firmware/devicetree/base/serial-number": f"{SERIAL}\0",
    }


def cpuinfo(pi: Pi) -> str:
    """/proc/cpuinfo: every core, then the board."""
    cores = "".join(f"processor\t: {core}\n{pi.cpuinfo}\n" for core in range(CORES))
    hardware = "Hardware\t: BCM2835\n" if "model name" in pi.cpuinfo else ""
    return f"{cores}{hardware}Revision\t: {pi.revision}\nSerial\t\t: {SERIAL}\nModel\t\t: {pi.model}\n"


def meminfo(pi: Pi) -> str:
    """/proc/meminfo of a board that has just started."""
    parts = {"MemTotal": 1.0, "MemFree": 0.82, "MemAvailable": 0.9, "Buffers": 0.01, "Cached": 0.08}
    lines = [f"{name + ':':<16}{int(pi.memory_kib * part):8} kB\n" for name, part in parts.items()]
    return "".join(lines) + "SwapTotal:        524284 kB\nSwapFree:         524284 kB\n"
