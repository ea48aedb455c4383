"""A loop goes over to the board's current release; where it does not, the board's link goes back too."""

from __future__ import annotations

import pytest

from bramble.errors import CameraError
from bramble.fleet.camera.place import Place, look
from bramble.fleet.camera.swap import Swapped, control, swap
from bramble.fleet.camera.words import swap_words
from bramble.fleet.types import Board, Connection
from bramble_agent.wire_camera import ControlAsk, SwapHow, SwapStatus
from fleet.camera.conftest import Pushes, looping

QUICK = SwapHow(compare=8, probation=16, patience_s=30.0, latency_ms=1000.0)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again soon."""
    monkeypatch.setattr("bramble.fleet.camera.swap.PAUSE_S", 0.1)


def nothing(event: object) -> None:
    """Steps are not looked at."""


@pytest.mark.slow
def test_done(connection: Connection, board: Board, place: Place, pushed: Pushes) -> None:
    """The new release looks, no frame was dropped, the link stays; a second swap has nothing to do."""
    with looping(board, place) as answers:
        digest = pushed("two")
        now = look(connection, board)
        swapped = swap(connection, board, now, ControlAsk(place.root, do="swap", swap=QUICK), nothing)
        assert swapped is not None
        assert (swapped.ok, swapped.link, swapped.swap.release, swapped.swap.before) == (
            True,
            "stays",
            digest,
            place.current,
        )
        words = list(swap_words(swapped))
        assert words[0] == f"release {digest[:12]} looks now, {place.current[:12]} before"
        assert words[1].startswith("0 frames dropped, longest gap ")
        assert swap(connection, board, now, ControlAsk(place.root, do="swap"), nothing) is None
    assert answers[0].status.release == digest


@pytest.mark.slow
def test_taken_back(connection: Connection, board: Board, place: Place, pushed: Pushes) -> None:
    """A release over its budget is refused by the loop: the board's current one is the old one again."""
    with looping(board, place) as answers:
        digest = pushed("slow")
        how = SwapHow(compare=8, probation=16, patience_s=30.0, latency_ms=1e-6)
        request = ControlAsk(place.root, do="swap", swap=how)
        swapped = swap(connection, board, look(connection, board), request, nothing)
        assert swapped is not None
        assert (swapped.ok, swapped.link, swapped.current) == (False, "back", place.current)
        assert (swapped.swap.state, swapped.swap.release) == ("refused", digest)
        assert list(swap_words(swapped))[-1] == f"release {place.current[:12]} is the board's current one again"
    after = look(connection, board)
    assert (after.current, after.previous) == (place.current, digest)
    assert answers[0].status.release == place.current


@pytest.mark.slow
def test_two_pushes_since(connection: Connection, board: Board, place: Place, pushed: Pushes) -> None:
    """The release before the refused one is not the one that runs: the link is left alone, and that is said."""
    with looping(board, place):
        pushed("two")
        third = pushed("three")
        request = ControlAsk(place.root, do="swap", swap=SwapHow(compare=4, latency_ms=1e-6, patience_s=30.0))
        swapped = swap(connection, board, look(connection, board), request, nothing)
    assert swapped is not None
    assert (swapped.ok, swapped.current) == (False, third)
    assert "another release was pushed" in swapped.link
    assert "stays" in list(swap_words(swapped))[-1]


@pytest.mark.slow
def test_other_labels(connection: Connection, board: Board, place: Place, pushed: Pushes) -> None:
    """A release without a label that a threshold names does not suit the loop."""
    from bramble_agent.wire_camera import Decide

    with looping(board, place, decide=Decide(thresholds={"left": 0.4})):
        pushed("others", labels=b"a\nb\nc\n")
        request = ControlAsk(place.root, do="swap", swap=QUICK)
        swapped = swap(connection, board, look(connection, board), request, nothing)
    assert swapped is not None
    assert swapped.link == "back"
    assert "'left', which is no label" in swapped.swap.why


def test_nothing_runs(connection: Connection, board: Board, place: Place) -> None:
    """There is no loop to swap."""
    with pytest.raises(CameraError, match="no camera loop"):
        swap(connection, board, place, ControlAsk(place.root, do="swap"), nothing)
    with pytest.raises(CameraError, match="no camera loop"):
        control(connection, board, ControlAsk(place.root, "other"))


def test_words_of_a_swap_to_other_pictures() -> None:
    """A camera's pause has its reason told."""
    done = SwapStatus("done", "b" * 64, "a" * 64, longest_gap_ms=900.0, reshaped=True)
    told = list(swap_words(Swapped(done, "b" * 64, "stays")))
    assert told[1].startswith("0 frames dropped, longest gap 900 ms")
    assert told[2].startswith("they take pictures of different sizes")
