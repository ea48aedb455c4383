"""Heat, the share of the processor and the bytes written: on boards made of files, with readings that are made up."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from bramble_agent import board
from bramble_agent.camera import sustained as module
from bramble_agent.camera.brake import Brake
from bramble_agent.camera.loop import check
from bramble_agent.camera.sustained import LEAST, Reading, Sustained, sustaining
from bramble_agent.camera.written import HOUR_S, Written, written_bytes
from bramble_agent.errors import BadRequest
from bramble_agent.wire_camera import CameraAsk
from looking import until

MS = 10**6
ZONE = "sys/class/thermal/thermal_zone0"


def write(root: Path, path: str, text: str) -> None:
    """A file of a made-up board."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


class Board:
    """Readings two seconds apart; the test sets ``temp_c``, ``used`` (a share of one core) and ``throttled``."""

    def __init__(self, ask: CameraAsk) -> None:
        """It is cool."""
        self.brake = Brake()
        self.held = Sustained(ask, self.brake, 80.0)
        self.temp_c: float | None = 50.0
        self.throttled: bool | None = False
        self.used, self.written = 0.25, 0
        self._now_s = self._cpu_s = 0.0

    def go(self, steps: int = 1) -> list[float]:
        """The rates after each of so many steps."""
        rates = []
        for _ in range(steps):
            self._now_s += 2.0
            self._cpu_s += 2.0 * self.used
            self.held.step(Reading(self._now_s, self.temp_c, self.throttled, self._cpu_s, self.written))
            rates.append(self.brake.rate)
        return rates


def test_cool_boards_go_at_full_rate() -> None:
    """And those that do not tell their temperature."""
    cool = Board(CameraAsk("", ""))
    assert cool.go(5) == [1.0] * 5
    assert cool.held.status().why == ""
    cool.temp_c = cool.throttled = None
    assert cool.go(5) == [1.0] * 5
    assert (cool.held.status().temp_c, cool.held.status().limit_c) == (None, None)


def test_heat_slows_before_the_limit_and_lets_go_later() -> None:
    """From 76 °C on a fifth less each step; between 72 and 76 °C it stays; below it comes back by twentieths."""
    hot = Board(CameraAsk("", ""))
    hot.temp_c = 76.5
    assert hot.go(3) == pytest.approx([0.8, 0.64, 0.512])
    status = hot.held.status()
    assert (status.why, status.temp_c, status.limit_c, status.rate) == ("heat", 76.5, 80.0, pytest.approx(0.512))
    hot.temp_c = 74.0
    assert hot.go(3) == pytest.approx([0.512] * 3)
    hot.temp_c = 71.0
    assert hot.go(3) == pytest.approx([0.562, 0.612, 0.662])
    assert hot.go(20)[-1] == 1.0


def test_a_board_that_throttles_is_slowed_harder_and_never_stopped() -> None:
    """0.7 a step, whatever the temperature says; not below a tenth."""
    hot = Board(CameraAsk("", ""))
    hot.throttled = True
    assert hot.go(2) == pytest.approx([0.7, 0.49])
    assert hot.go(30)[-1] == LEAST


def test_it_settles_where_heat_comes_of_work() -> None:
    """A board whose temperature follows the rate (90 °C at full): it ends below the limit, and does not swing."""
    hot = Board(CameraAsk("", ""))
    temps, rates = [], []
    for _ in range(300):
        assert hot.temp_c is not None
        hot.temp_c += (40.0 + 50.0 * hot.brake.rate - hot.temp_c) * 0.1
        rates += hot.go()
        temps.append(hot.temp_c)
    assert max(temps) < 80.0
    assert max(rates[-100:]) - min(rates[-100:]) < 0.01
    assert rates[-1] > 0.5


def test_a_share_of_the_processor() -> None:
    """A loop that would use 60 % of a core, and may use 20 %: it comes to a third of its rate, near the 20 %."""
    busy = Board(CameraAsk("", "", cpu=0.2))
    rates = [1.0]
    for _ in range(40):
        busy.used = 0.6 * rates[-1]
        rates += busy.go()
    assert rates[-1] == pytest.approx(1 / 3, rel=0.1)
    status = busy.held.status()
    assert status.why == "cpu"
    assert status.cpu == pytest.approx(0.2, rel=0.1)
    busy.used = 0.05
    assert busy.go(20)[-1] == 1.0


@pytest.mark.parametrize("cpu", [0.0, -1.0, float("inf"), float("nan")])
def test_a_share_that_is_none(cpu: float) -> None:
    """Refused."""
    with pytest.raises(BadRequest, match="cpu share"):
        check(CameraAsk("b", "s", cpu=cpu))


def test_brake_stretches_the_usual_period() -> None:
    """Frames came 20 ms apart; at half the rate the next is due 40 ms after the last, at full rate at once."""
    brake = Brake()
    now = 0
    for _ in range(50):
        assert brake.wait_ns(now) == 0
        brake.took(now)
        now += 20 * MS
    last = now - 20 * MS
    brake.rate = 0.5
    assert brake.wait_ns(now) == pytest.approx(20 * MS, abs=10)
    brake.took(last + 40 * MS)
    assert brake.wait_ns(last + 40 * MS) == pytest.approx(40 * MS, abs=10)
    brake.rate = 1.0
    assert brake.wait_ns(last + 41 * MS) == 0


def test_a_camera_that_was_away_does_not_make_it_slow() -> None:
    """A minute without a frame counts as four periods; after a few frames it is forgotten."""
    brake = Brake()
    now = 0
    for gap in [20 * MS] * 20 + [60_000 * MS] + [20 * MS] * 40:
        brake.took(now)
        now += gap
    brake.took(now)
    brake.rate = 0.5
    assert brake.wait_ns(now) == pytest.approx(40 * MS, rel=0.05)


def test_bytes_of_a_day() -> None:
    """From the first reading on, by the hour; older than a day is forgotten; a kernel that does not count is no 0."""
    written = Written()
    assert (written.total, written.day) == (None, None)
    written.note(0.0, None)
    assert written.total is None
    for hour in range(101):
        written.note(hour * HOUR_S, 5_000 + 100 * hour)
    assert (written.total, written.day) == (10_000, 2_400)
    written.note(100.5 * HOUR_S, 5_000 + 10_050)
    assert written.day == 2_450


def test_the_kernels_counter(tmp_path: Path) -> None:
    """write_bytes of /proc/self/io; None where there is no such file."""
    assert written_bytes(tmp_path) is None
    write(tmp_path, "proc/self/io", "rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n")
    assert written_bytes(tmp_path) == 4096


@pytest.mark.parametrize(
    ("trips", "limit"),
    [
        ([], 80.0),
        ([("critical", 110_000)], 80.0),
        ([("passive", 75_000), ("critical", 95_000)], 75.0),
        ([("passive", 85_000), ("active", 50_000)], 80.0),
        ([("passive", 0), ("passive", 70_000)], 70.0),
    ],
)
def test_where_a_board_throttles(trips: list[tuple[str, int]], limit: float, tmp_path: Path) -> None:
    """80 °C as a Pi, or the kernel's lowest passive trip point; a fan's and the emergency's are not it."""
    for number, (kind, temp) in enumerate(trips):
        write(tmp_path, f"{ZONE}/trip_point_{number}_type", f"{kind}\n")
        write(tmp_path, f"{ZONE}/trip_point_{number}_temp", f"{temp}\n")
    assert board.throttles_at_c(tmp_path) == limit


def test_a_board_that_gets_hot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread reads a board's files: at 79 °C it slows, once it is cool again it does not; bits count as heat."""
    monkeypatch.setattr(module, "STEP_S", 0.005)
    write(tmp_path, f"{ZONE}/temp", "79000\n")
    write(tmp_path, "proc/self/io", "write_bytes: 10\n")
    brake = Brake()
    with sustaining(CameraAsk("", "", write_bytes_per_day=77), brake, tmp_path) as status:
        until(lambda: brake.rate < 0.6)
        now = status()
        assert (now.temp_c, now.limit_c, now.why, now.throttled) == (79.0, 80.0, "heat", None)
        write(tmp_path, f"{ZONE}/temp", "50000\n")
        write(tmp_path, "proc/self/io", "write_bytes: 30\n")
        until(lambda: brake.rate == 1.0)
        until(lambda: status().written_bytes == 20)
        assert (status().day_bytes, status().day_budget_bytes, status().why) == (20, 77, "")
        write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "8\n")
        until(lambda: status().throttled is True and brake.rate == LEAST)
        write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "80001\n")  # under-voltage, once hot
        until(lambda: status().throttled is False and brake.rate == 1.0)


def test_rates_never_leave_their_bounds() -> None:
    """Whatever is read."""
    wild = Board(CameraAsk("", "", cpu=0.5))
    for temp, used, throttled in itertools.product((None, -300.0, 75.0, 1e9), (0.0, 0.5, 40.0), (None, True, False)):
        wild.temp_c, wild.used, wild.throttled = temp, used, throttled
        assert all(LEAST <= rate <= 1.0 for rate in wild.go(3))
