"""Names of chips and cores, from what real boards say."""

from __future__ import annotations

import pytest

from bramble.fleet.probe.silicon import cpu_features, cpu_name, soc_name


@pytest.mark.parametrize(
    ("compatible", "model", "soc"),
    [
        ("raspberrypi,4-model-b brcm,bcm2711", "Raspberry Pi 4 Model B Rev 1.4", "Broadcom BCM2711"),
        ("raspberrypi,model-zero-2-w brcm,bcm2837", "", "Broadcom BCM2837"),
        ("radxa,rock-5b rockchip,rk3588", "Radxa ROCK 5B", "Rockchip RK3588"),
        ("acme,board acme,chip9", "", "acme chip9"),
        ("", "Raspberry Pi Zero 2 W Rev 1.0", "Broadcom BCM2837"),
        ("", "Raspberry Pi Zero W Rev 1.1", "Broadcom BCM2835"),
        ("", "NUC7i5", ""),
        ("odd", "", "odd"),
    ],
)
def test_soc(compatible: str, model: str, soc: str) -> None:
    """The device tree names boards first and the chip last; without it the model is looked up."""
    assert soc_name(compatible, model) == soc


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (["4 CPU implementer\t: 0x41", "4 CPU part\t: 0xd08"], "4 × Cortex-A72"),
        (
            ["8 CPU implementer\t: 0x41", "4 CPU part\t: 0xd05", "4 CPU part\t: 0xd0b"],
            "4 × Cortex-A55 + 4 × Cortex-A76",
        ),
        (["4 CPU implementer\t: 0x41", "4 CPU part\t: 0xfff"], "part 0xfff"),
        (["4 CPU implementer\t: 0x51", "4 CPU part\t: 0xd08"], "part 0xd08"),
        (["2 model name\t: AMD EPYC"], "AMD EPYC"),
        (["4 CPU implementer\t: 0x41", "4 CPU part\t: 0xd03", "4 model name\t: ARMv7 rev 4 (v7l)"], "4 × Cortex-A53"),
        ([], ""),
        (["junk", ": :", "x CPU part : 0xd08"], ""),
    ],
)
def test_cpu(cpuinfo: list[str], name: str) -> None:
    """Arm's own cores by their part number, with how many of each; other makers' numbers mean other cores."""
    assert cpu_name(cpuinfo) == name


def test_features_that_all_cores_have() -> None:
    """Of two clusters only what both have: a kernel's thread may land on either."""
    assert cpu_features(["4 Features\t: fp asimd", "4 Features\t: fp asimd asimddp"]) == ("asimd", "fp")
    assert cpu_features([]) == ()
