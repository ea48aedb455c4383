"""Names of chips and cores: what /proc/device-tree/compatible and /proc/cpuinfo say, as people write it.

arm64 kernels give no model name but the numbers of implementer and part; the parts are those of Arm's own cores, as in
the main identification registers (Arm's technical reference manuals, register MIDR_EL1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

VENDORS = {
    "allwinner": "Allwinner",
    "amlogic": "Amlogic",
    "brcm": "Broadcom",
    "fsl": "NXP",
    "mediatek": "MediaTek",
    "nvidia": "NVIDIA",
    "qcom": "Qualcomm",
    "rockchip": "Rockchip",
    "samsung": "Samsung",
    "sophgo": "Sophgo",
    "starfive": "StarFive",
    "ti": "TI",
}
CHIPS = (  # where only the board's model is known
    ("Raspberry Pi Compute Module 5", "Broadcom BCM2712"),
    ("Raspberry Pi Compute Module 4", "Broadcom BCM2711"),
    ("Raspberry Pi Compute Module 3", "Broadcom BCM2837"),
    ("Raspberry Pi 5", "Broadcom BCM2712"),
    ("Raspberry Pi 4", "Broadcom BCM2711"),
    ("Raspberry Pi 3", "Broadcom BCM2837"),
    ("Raspberry Pi Zero 2", "Broadcom BCM2837"),
    ("Raspberry Pi Zero", "Broadcom BCM2835"),
)
ARM = "0x41"
PARTS = {
    "0xb76": "ARM1176",
    "0xc05": "Cortex-A5",
    "0xc07": "Cortex-A7",
    "0xc08": "Cortex-A8",
    "0xc09": "Cortex-A9",
    "0xc0e": "Cortex-A17",
    "0xc0f": "Cortex-A15",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
    "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710",
    "0xd80": "Cortex-A520",
    "0xd81": "Cortex-A720",
}
COUNTED = re.compile(r"(\d+)\s+([^:]*?)\s*:\s*(.*)")


def soc_name(compatible: str, model: str) -> str:
    """The chip: the last entry of the device tree's ``compatible`` ("brcm,bcm2711"), else by the board's model."""
    last = compatible.rsplit(maxsplit=1)[-1] if compatible.split() else ""
    vendor, comma, chip = last.partition(",")
    if comma and chip:
        return f"{VENDORS.get(vendor, vendor)} {chip.upper() if vendor in VENDORS else chip}"
    return next((name for board, name in CHIPS if model.startswith(board)), last)


def cpu_name(cpuinfo: Sequence[str]) -> str:
    """The cores, as "4 × Cortex-A55 + 4 × Cortex-A76", from lines of ``sort | uniq -c`` over /proc/cpuinfo."""
    counted = [match.groups() for match in map(COUNTED.match, cpuinfo) if match]
    makers = {value for _, key, value in counted if key == "CPU implementer"}
    parts = [(int(count), value) for count, key, value in counted if key == "CPU part"]
    if parts and all(part in PARTS for _, part in parts) and makers == {ARM}:
        return " + ".join(f"{count} × {PARTS[part]}" for count, part in parts)
    names = [value for _, key, value in counted if key == "model name"]
    return names[0] if names else ", ".join(f"part {part}" for _, part in parts)


def cpu_features(cpuinfo: Sequence[str]) -> tuple[str, ...]:
    """The features that every core has, sorted."""
    counted = [match.groups() for match in map(COUNTED.match, cpuinfo) if match]
    sets = [set(value.split()) for _, key, value in counted if key in ("Features", "flags")]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def board_model(cpuinfo: Sequence[str]) -> str:
    """The board's model as a Raspberry Pi's kernel puts it at the end of /proc/cpuinfo."""
    counted = [match.groups() for match in map(COUNTED.match, cpuinfo) if match]
    return next((value for _, key, value in counted if key == "Model"), "")
