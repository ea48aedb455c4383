"""What a service manager is told, by which thread, and when not."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.camera.scripted import Clock
from bramble_agent.camera.notify import HUNG_MOST, Heart, Notifier, heart
from bramble_agent.camera.stats import Stats


@pytest.fixture
def ears(tmp_path: Path) -> Iterator[socket.socket]:
    """A manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(ears: socket.socket) -> list[str]:
    """All messages that came."""
    messages = []
    while True:
        try:
            messages.append(ears.recv(4096).decode())
        except BlockingIOError:
            return messages


def stats(**captured: int) -> Stats:
    """A loop's counters."""
    made = Stats("camera", "run", "synthetic:")
    made.release = "0123456789abcdef"
    made.captured = lambda: captured
    return made


def test_a_life(ears: socket.socket, tmp_path: Path) -> None:
    """READY at the first, then the watchdog every third of its time and the status now and then, STOPPING at last."""
    clock = Clock()
    beating = Heart(Notifier(str(tmp_path / "notify")), 30.0, clock)
    hooks = beating.hooks()
    hooks.began(stats(frames=1))
    assert heard(ears) == ["READY=1"]
    hooks.tick()
    assert heard(ears) == ["WATCHDOG=1", "STATUS=0 frames, 0 events, release 0123456789ab"]
    clock.now += 9.9
    hooks.tick()
    assert [message.partition("=")[0] for message in heard(ears)] == ["STATUS"]
    clock.now += 0.2
    hooks.tick()
    assert heard(ears) == ["WATCHDOG=1"]
    hooks.ended()
    assert heard(ears) == ["STOPPING=1"]


def test_trouble_is_told_and_the_watchdog_fed(ears: socket.socket, tmp_path: Path) -> None:
    """A camera that is not there is no reason to end the process; its words may not break the message."""
    beating = Heart(Notifier(str(tmp_path / "notify")), 30.0, Clock())
    counters = stats(frames=0)
    counters.trouble = lambda: "there is no camera\nREADY=1"
    beating.began(counters)
    beating.tick()
    assert heard(ears)[1:] == [
        "WATCHDOG=1",
        "STATUS=there is no camera READY=1; 0 frames, 0 events, release 0123456789ab",
    ]


def test_sources_that_hang_one_after_the_other(ears: socket.socket, tmp_path: Path) -> None:
    """The loop's own retries come first; only after many without a frame the watchdog may end the process."""
    clock, counts = Clock(), {"frames": 10, "hung": 0}
    beating = Heart(Notifier(str(tmp_path / "notify")), 3.0, clock)
    counters = stats()
    counters.captured = lambda: counts
    beating.began(counters)

    def fed() -> bool:
        clock.now += 1.1
        heard(ears)
        beating.tick()
        return "WATCHDOG=1" in heard(ears)

    assert fed()
    counts["hung"] = HUNG_MOST - 1
    assert fed()
    counts["frames"] += 1  # it came back: counted anew
    assert fed()
    counts["hung"] += HUNG_MOST - 1
    assert fed()
    counts["hung"] += 1
    assert not fed()


def test_from_the_environment(ears: socket.socket, tmp_path: Path) -> None:
    """The names of systemd, which are taken away, so that commands the loop starts do not speak for it."""
    place = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    made = heart(place)
    assert place == {"HOME": "/"}
    made.began(stats())
    made.tick()
    assert "WATCHDOG=1" in heard(ears)


@pytest.mark.parametrize("pid", ["1", "x"])
def test_a_watchdog_of_another_process(pid: str, ears: socket.socket, tmp_path: Path) -> None:
    """It is not ours to feed."""
    made = heart({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": pid})
    made.tick()
    assert heard(ears) == []


def test_no_manager() -> None:
    """Nothing is said, nothing fails; neither where the manager's socket is gone."""
    for made in (heart({}), Heart(Notifier("/nowhere/notify"), 1.0)):
        made.began(stats())
        made.tick()
        made.ended()


def test_a_socket_without_a_file() -> None:
    """A manager may name one in the abstract namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")
        Notifier("@" + listening.getsockname()[1:].decode()).tell("READY=1")
        assert listening.recv(100) == b"READY=1"
