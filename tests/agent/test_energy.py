"""Each rung of the energy ladder, read from files of known power, against joules worked out by hand."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from bramble_agent.energy import estimate, measure, pmic_watts

PMIC = """ 3V7_WL_SW_A current(0)=0.10000000A
   3V3_SYS_A current(1)=0.20000000A
  VDD_CORE_A current(7)=2.00000000A
 3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.90000000V
     EXT5V_V volt(24)=5.10000000V
      BATT_V volt(25)=0.00000000V
"""
PMIC_WATTS = 1.1451 * (0.37 + 0.66 + 1.8) + 0.5879  # 3.8285; rails without a current do not count


def put(path: Path, text: str) -> Path:
    """Write a file in one piece, so that a reader sees the old or the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".fresh").write_text(text)
    return path.with_suffix(".fresh").replace(path)


def hwmon(root: Path, microwatts: str, number: int = 1, name: str = "ina226") -> Path:
    """A power sensor as the kernel shows it."""
    folder = root / f"sys/class/hwmon/hwmon{number}"
    put(folder / "name", f"{name}\n")
    return put(folder / "power1_input", microwatts)


def rapl(root: Path, now_uj: int, turn_uj: int) -> Path:
    """The energy counter of a processor package."""
    put(root / "sys/class/powercap/intel-rapl:0/max_energy_range_uj", f"{turn_uj}\n")
    return put(root / "sys/class/powercap/intel-rapl:0/energy_uj", f"{now_uj}\n")


def vcgencmd(root: Path, script: str) -> None:
    """A vcgencmd that answers by ``script``."""
    tool = put(root / "usr/bin/vcgencmd", "#!/bin/sh\n" + script)
    tool.chmod(stat.S_IRWXU)


def nap() -> None:
    """Work of about 5 ms."""
    time.sleep(0.005)


def test_pmic_by_hand() -> None:
    """Board watts from a Pi 5's rails: 1.1451 · ΣV·I + 0.5879."""
    assert pmic_watts(PMIC) == pytest.approx(3.828533, abs=1e-6)


def test_meter_at_constant_power(tmp_path: Path) -> None:
    """A sensor that shows 2.5 W all the time gives 2.5 J a second, and ± 2 % for each inference."""
    hwmon(tmp_path, "2500000\n")
    got = measure(nap, 0.5, tmp_path)
    assert got is not None
    assert got.method == "meter"
    assert "ina226" in got.detail
    assert got.seconds == pytest.approx(0.5, rel=0.2)
    assert got.joules == pytest.approx(2.5 * got.seconds, rel=0.05)
    assert 1 <= got.inferences <= 100
    assert got.joules_per_inference == pytest.approx(got.joules / got.inferences)
    assert got.interval == pytest.approx((0.98 * got.joules_per_inference, 1.02 * got.joules_per_inference))


def test_meter_sees_power_change(tmp_path: Path) -> None:
    """Power that goes from 1 W to 9 W and back for a third of the time is integrated, not read at the ends."""
    sensor = hwmon(tmp_path, "1000000\n")
    start = time.perf_counter()

    def work() -> None:
        third = int((time.perf_counter() - start) / 0.3)
        put(sensor, "9000000\n" if third == 1 else "1000000\n")
        nap()

    got = measure(work, 0.9, tmp_path)
    assert got is not None
    assert got.joules == pytest.approx(0.3 * 1 + 0.3 * 9 + 0.3 * 1, rel=0.25)


def test_meter_holds_over_bus_errors(tmp_path: Path) -> None:
    """A sensor that cannot be read for a while is taken to stay at its last value."""
    sensor = hwmon(tmp_path, "2000000\n")
    turn = itertools.count()

    def work() -> None:
        put(sensor, "" if next(turn) % 3 else "2000000\n")
        nap()

    got = measure(work, 0.4, tmp_path)
    assert got is not None
    assert got.joules == pytest.approx(2.0 * got.seconds, rel=0.05)


def test_meter_thread_ends(tmp_path: Path) -> None:
    """After the measurement nobody goes on reading the sensor."""
    hwmon(tmp_path, "1\n")
    before = threading.active_count()
    measure(nap, 0.1, tmp_path)
    assert threading.active_count() == before


def test_useless_sensor_is_passed_over(tmp_path: Path) -> None:
    """A sensor that shows nothing is passed over for the next; with none left, for the next rung."""
    hwmon(tmp_path, "", number=0)
    hwmon(tmp_path, "3000000\n", number=1)
    got = measure(nap, 0.1, tmp_path)
    assert got is not None
    assert "hwmon1" in got.detail
    hwmon(tmp_path, "n/a\n", number=1)
    rapl(tmp_path, 0, 1_000)
    got = measure(nap, 0.1, tmp_path)
    assert got is not None
    assert got.method == "rapl"


@pytest.mark.parametrize("name", ["amdgpu", "acpi_power_meter", "ina2xx-like", "battery", ""])
def test_sensor_of_something_else_is_no_meter(name: str, tmp_path: Path) -> None:
    """A graphics card's power, and any other sensor that is no wired monitor, is not taken for the board's."""
    hwmon(tmp_path, "9000000\n", number=0, name=name)
    assert measure(os.abort, 0.1, tmp_path) is None
    hwmon(tmp_path, "3000000\n", number=1, name="ina260")
    got = measure(nap, 0.1, tmp_path)
    assert got is not None
    assert "ina260" in got.detail


def test_rapl_over_its_turn(tmp_path: Path) -> None:
    """The counter turns over during the first inference: each inference still costs exactly 0.15 J."""
    turn = 262_143_328_850
    counter = rapl(tmp_path, turn - 50_000, turn)
    spent = itertools.count(1)

    def work() -> None:
        put(counter, f"{(turn - 50_000 + 150_000 * next(spent)) % turn}\n")
        nap()

    got = measure(work, 0.1, tmp_path)
    assert got is not None
    assert got.method == "rapl"
    assert got.joules_per_inference == pytest.approx(0.15)
    assert got.joules == pytest.approx(0.15 * got.inferences)
    assert got.interval == pytest.approx((0.135, 0.165))


def test_pmic_integrates(tmp_path: Path) -> None:
    """A Pi 5's vcgencmd, asked again and again, gives its constant 3.83 W."""
    vcgencmd(tmp_path, f"cat <<'X'\n{PMIC}X\n")
    got = measure(nap, 0.4, tmp_path)
    assert got is not None
    assert got.method == "pmic"
    assert got.joules == pytest.approx(PMIC_WATTS * got.seconds, rel=0.05)


def test_board_without_pmic(tmp_path: Path) -> None:
    """A Pi 4's vcgencmd does not know the question: no instrument."""
    vcgencmd(tmp_path, """echo 'error=1 error_msg="Command not registered"'""")
    assert measure(nap, 0.1, tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "no current here", "VDD_A current(1)=1.0A", "VDD_A current(1)=1.0A VCC_V volt(2)=2.0V"]
)
def test_pmic_without_a_rail(text: str) -> None:
    """Text without one rail of both a current and a voltage is no reading; it is not the fit's constant 0.5879 W."""
    with pytest.raises(ValueError, match="no rail"):
        pmic_watts(text)


@pytest.mark.parametrize("script", ["echo 'VDD_A current(1)=1.0A'", "exit 1", "not a script for this system"])
def test_useless_pmic_falls_to_the_next_rung(script: str, tmp_path: Path) -> None:
    """Where vcgencmd names no rail, the package's counter is read instead."""
    vcgencmd(tmp_path, script)
    rapl(tmp_path, 0, 1_000)
    got = measure(nap, 0.1, tmp_path)
    assert got is not None
    assert got.method == "rapl"


@pytest.mark.parametrize("error", [subprocess.TimeoutExpired("vcgencmd", 5), PermissionError("vcgencmd")])
def test_pmic_that_hangs_or_cannot_run(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vcgencmd that does not answer in time, or that cannot be run, leaves its rung to the next."""

    def fail(*_: object, **__: object) -> None:
        raise error

    vcgencmd(tmp_path, "")
    rapl(tmp_path, 0, 1_000)
    monkeypatch.setattr(subprocess, "run", fail)
    got = measure(nap, 0.1, tmp_path)
    assert got is not None
    assert got.method == "rapl"


def test_ladder(tmp_path: Path) -> None:
    """A meter is preferred to the pmic, the pmic to rapl."""
    rapl(tmp_path, 0, 1_000)
    methods = []
    for add in (lambda: None, lambda: vcgencmd(tmp_path, f"cat <<'X'\n{PMIC}X\n"), lambda: hwmon(tmp_path, "1\n")):
        add()
        got = measure(nap, 0.05, tmp_path)
        assert got is not None
        methods.append(got.method)
    assert methods == ["rapl", "pmic", "meter"]


def test_no_instrument(tmp_path: Path) -> None:
    """Without an instrument there is no measurement, and no work is done for one."""
    assert measure(os.abort, 0.1, tmp_path) is None


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_time(seconds: float, tmp_path: Path) -> None:
    """With no time given nothing is measured, even where there is an instrument."""
    hwmon(tmp_path, "1\n")
    assert measure(nap, seconds, tmp_path) is None


@pytest.mark.parametrize(
    ("board", "each", "interval"),
    [  # 2 CPU-seconds for 100 inferences: 0.02 s each, times the watts of one busy core
        ("Raspberry Pi 5 Model B Rev 1.0", 0.055, (0.034, 0.06)),
        ("Raspberry Pi 4 Model B Rev 1.4", 0.028, (0.017, 0.032)),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", 0.016, (0.012, 0.022)),
        ("Raspberry Pi Zero 2 W Rev 1.0", 0.009, (0.006, 0.014)),
        ("ThinkCentre", 0.1, (0.02, 0.3)),
    ],
)
def test_model_rung(board: str, each: float, interval: tuple[float, float]) -> None:
    """The estimate is CPU-seconds times watts, with the bounds of the board's figures."""
    got = estimate(board, 2.0, 100)
    assert (got.method, got.inferences, got.seconds) == ("model", 100, 2.0)
    assert got.joules_per_inference == pytest.approx(each)
    assert got.joules == pytest.approx(100 * each)
    assert got.interval == pytest.approx(interval)
