"""Samples and health, on a clock that is made up."""

from __future__ import annotations

from bramble_agent.camera.event import Prediction
from bramble_agent.camera.page.watch import KEPT, Sample, Watch
from bramble_agent.camera.stats import Stats
from bramble_agent.wire_camera import SustainedStatus

S = 10**9


class Loop:
    """A loop that lives on this clock."""

    def __init__(self) -> None:
        """It begins at 100 s."""
        self.ns, self.came, self.trouble = 100 * S, 0, ""
        stats = Stats("n", "r", "s", lambda: self.ns)
        stats.captured, stats.trouble = lambda: {"frames": self.came}, lambda: self.trouble
        stats.sustained = lambda: SustainedStatus(temp_c=50.0, rate=0.5)
        self.watch = Watch(stats, lambda: self.ns)

    def go(self, seconds: float, ages: tuple[float, ...] = (), came: int = 0) -> None:
        """Time passes, predictions of these ages are made, and the loop ticks."""
        self.ns += round(seconds * S)
        self.came += came
        for age_ms in ages:
            self.watch.prediction(Prediction(0, "r", (), 0.0, age_ms, 0.0))
        self.watch.tick()


def test_a_sample_a_second() -> None:
    """Rate, mean and largest age since the sample before; none where nothing was predicted."""
    loop = Loop()
    loop.go(0.5, (10.0,))
    assert loop.watch.samples(0) == (0, [])
    loop.go(0.5, (20.0, 60.0))
    loop.go(2.0)
    first, second = Sample(1.0, 3.0, 30.0, 60.0, 50.0, 0.5), Sample(3.0, 0.0, None, None, 50.0, 0.5)
    assert loop.watch.samples(0) == (2, [first, second])
    assert loop.watch.samples(1) == (2, [second])
    assert loop.watch.samples(2) == (2, [])
    assert loop.watch.samples(99) == (2, [])


def test_samples_are_bounded() -> None:
    """The oldest go; their numbers stay."""
    loop = Loop()
    for _ in range(KEPT + 50):
        loop.go(1.0)
    count, held = loop.watch.samples(0)
    assert (count, len(held), held[0].at_s) == (KEPT + 50, KEPT, 51.0)
    assert [one.at_s for one in loop.watch.samples(KEPT + 48)[1]] == [KEPT + 49, KEPT + 50]


def test_health() -> None:
    """Well while the loop ticks and frames come; else the reason, the gravest first."""
    loop = Loop()
    assert loop.watch.unwell(None) == "no frame has come yet"
    loop.go(1.0, came=1)
    assert loop.watch.unwell(None) == ""
    loop.trouble = "unplugged"
    assert loop.watch.unwell(None) == "no frames: unplugged"
    loop.ns += 20 * S
    assert loop.watch.unwell(None) == "the loop has stood still for 20 s"
    loop.trouble = ""
    loop.watch.tick()
    assert loop.watch.unwell(None) == "no frame for 20 s"
    loop.go(1.0, came=1)
    assert loop.watch.unwell(None) == ""


def test_slow_rates_are_no_trouble() -> None:
    """A frame a minute was asked for: only three minutes without one are too long."""
    loop = Loop()
    loop.go(1.0, came=1)
    loop.go(170.0)
    assert loop.watch.unwell(1 / 60) == ""
    assert loop.watch.unwell(None) == "no frame for 170 s"
    loop.go(20.0)
    assert loop.watch.unwell(1 / 60) == "no frame for 190 s"
