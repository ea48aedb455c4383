"""Energy of inference, with the rung of the ladder it was read from: meter, pmic, rapl, model.

    meter   a power monitor that someone wired (INA219/226/260 …: hwmon power1_input, µW), integrated over the window
    pmic    Raspberry Pi 5's power chip: P ≈ 1.1451·ΣV·I + 0.5879 W (one published fit; blind to USB and HATs)
    rapl    Intel's and AMD's energy counter of the package (µJ)
    model   CPU-seconds · watts per busy core, from published board figures: for ranking, the interval says how rough

Measured rungs are gross: the whole board's (or package's) energy over the window divided by the inferences in it, so
idle power is included. They integrate over at least 10 s, never per inference.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .wire import Energy

ROOT = Path("/")
CORE_WATTS = (  # (board, watts per busy core: low, likely, high); (HPL − idle)/cores, and the lighter `stress`
    ("Raspberry Pi Compute Module 5", 1.7, 2.75, 3.0),
    ("Raspberry Pi Compute Module 4", 0.85, 1.4, 1.6),
    ("Raspberry Pi 5", 1.7, 2.75, 3.0),
    ("Raspberry Pi 4", 0.85, 1.4, 1.6),
    ("Raspberry Pi 3", 0.6, 0.8, 1.1),
    ("Raspberry Pi Zero 2", 0.3, 0.45, 0.7),
)
UNKNOWN_CORE_WATTS = (1.0, 5.0, 15.0)
MONITORS = {"ina219", "ina226", "ina230", "ina231", "ina238", "ina260", "ina3221"}  # not a GPU's or a battery's sensor
UNREADABLE = (OSError, ValueError, subprocess.SubprocessError)  # what a reading of power may fail with
ERROR = {"meter": 0.02, "pmic": 0.15, "rapl": 0.10}  # relative; the pmic fit's is unknown and stated wide


def measure(work: Callable[[], object], seconds: float, root: Path = ROOT) -> Energy | None:
    """Run ``work`` for ``seconds`` under the best real instrument here; None without an instrument or time."""
    if seconds <= 0:
        return None
    for method, find in (("meter", _meter), ("pmic", _pmic), ("rapl", _rapl)):
        joules_so_far = find(root)
        if joules_so_far is not None:
            return _integrate(method, joules_so_far, work, seconds)
    return None


def estimate(board: str, cpu_s: float, inferences: int) -> Energy:
    """The model rung: ``cpu_s`` CPU-seconds of ``inferences`` inferences times a board's watts per busy core."""
    unknown = ("an unknown CPU", *UNKNOWN_CORE_WATTS)
    name, low, likely, high = next((row for row in CORE_WATTS if row[0] in board), unknown)
    each = cpu_s / inferences
    detail = f"{likely} W per busy core of {name} ({low} to {high})"
    return Energy("model", cpu_s * likely, inferences, cpu_s, each * likely, (each * low, each * high), detail)


def _integrate(method: str, meter: _Meter, work: Callable[[], object], seconds: float) -> Energy:
    inferences = 0
    start, begin = time.perf_counter(), meter.joules()
    while time.perf_counter() - start < seconds:
        work()
        inferences += 1
    joules = meter.joules() - begin
    elapsed = time.perf_counter() - start
    meter.close()
    each = joules / inferences
    error = ERROR[method] * each
    return Energy(method, joules, inferences, elapsed, each, (each - error, each + error), meter.detail)


class _Meter:
    """An instrument read as joules since some moment."""

    def __init__(self, joules: Callable[[], float], detail: str, close: Callable[[], None] = lambda: None) -> None:
        self.joules = joules
        self.detail = detail
        self.close = close


def _meter(root: Path) -> _Meter | None:
    for sensor in sorted((root / "sys/class/hwmon").glob("hwmon*/power1_input")):
        name = _read(sensor.parent / "name")
        if name not in MONITORS:
            continue

        def watts(path: Path = sensor) -> float:
            return int(path.read_text()) / 1e6

        meter = _sampled(watts, f"{name} at {sensor}")
        if meter is not None:  # else there, but of no use: perhaps the next one is
            return meter
    return None


def _pmic(root: Path) -> _Meter | None:
    tool = shutil.which("vcgencmd") if root == ROOT else str(root / "usr/bin/vcgencmd")
    if tool is None or not Path(tool).exists():
        return None
    path = tool
    return _sampled(lambda: pmic_watts(_run(path)), "vcgencmd pmic_read_adc, 1.1451·ΣV·I + 0.5879 W")


def pmic_watts(text: str) -> float:
    """Board watts from the lines of ``vcgencmd pmic_read_adc`` (NAME_A current(0)=x A, NAME_V volt(8)=y V).

    Raises ValueError where no rail has both: an old board, or another firmware's wording.
    """
    found = re.findall(r"(\w+)_([AV]) (?:current|volt)\(\d+\)=([\d.]+)", text)
    amps = {name: float(value) for name, unit, value in found if unit == "A"}
    volts = {name: float(value) for name, unit, value in found if unit == "V"}
    rails = amps.keys() & volts.keys()
    if not rails:
        raise ValueError("no rail with a current and a voltage")
    return 1.1451 * sum(amps[name] * volts[name] for name in rails) + 0.5879


def _rapl(root: Path) -> _Meter | None:
    zone = root / "sys/class/powercap/intel-rapl:0"
    try:
        last = int((zone / "energy_uj").read_text())
        turn = int((zone / "max_energy_range_uj").read_text())
    except (OSError, ValueError):
        return None
    total = 0

    def joules() -> float:
        nonlocal last, total
        now = int((zone / "energy_uj").read_text())
        total += now - last if now >= last else now - last + turn
        last = now
        return total / 1e6

    return _Meter(joules, str(zone))


def _sampled(watts: Callable[[], float], detail: str, period_s: float = 0.05) -> _Meter | None:
    """Integrate a power reading in a thread by the trapezoid rule; None where the first reading fails."""
    stop, lock = threading.Event(), threading.Lock()
    try:
        first = watts()
    except UNREADABLE:
        return None
    state = [0.0, time.perf_counter(), first]  # joules, when, watts then

    def tick() -> None:
        with lock:
            try:
                power = watts()
            except UNREADABLE:  # a bus error now and then: hold the last value
                power = state[2]
            now = time.perf_counter()
            state[0] += (now - state[1]) * (power + state[2]) / 2.0
            state[1:] = [now, power]

    def loop() -> None:
        while not stop.wait(period_s):
            tick()

    def joules() -> float:
        tick()
        return state[0]

    def close() -> None:
        stop.set()
        thread.join()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    return _Meter(joules, detail, close)


def _run(tool: str) -> str:
    return subprocess.run([tool, "pmic_read_adc"], capture_output=True, text=True, check=False, timeout=5).stdout


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""
