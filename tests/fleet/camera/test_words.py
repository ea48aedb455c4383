"""Words for people, and what people type."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bramble.errors import UsageError
from bramble.fleet.camera.place import Place
from bramble.fleet.camera.request import thresholds
from bramble.fleet.camera.start import check_memory, writable
from bramble.fleet.camera.words import begin_words, end_words, line_words, said_words, service_words
from bramble_agent.wire_camera import (
    AgeStatus,
    CameraAnswer,
    CameraAsk,
    CameraStatus,
    Decide,
    DeliveryStatus,
    SwapStatus,
)

FRAME = {"frame": 12, "age_ms": 40.2, "label": "cat", "score": 0.934}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (FRAME, "frame     12  cat 0.93  age 40 ms"),
        ({**FRAME, "picture": "a/cat.jpg"}, "frame     12  cat 0.93  age 40 ms  a/cat.jpg"),
        ({**FRAME, "label": None, "score": None}, "frame     12  nothing seen  age 40 ms"),
        ({"note": "it hung; next start in 1 s"}, "it hung; next start in 1 s"),
        (
            {"event": {"what": "seen", "label": "cat", "score": 0.934, "frame": 12, "id": "ab-1"}},
            "seen cat 0.93 (frame 12, ab-1)",
        ),
    ],
)
def test_lines(line: dict[str, object], expected: str) -> None:
    """A frame, an event, a note; in a journal too."""
    assert line_words(line) == expected
    assert said_words(json.dumps({"version": 2, "line": line})) == expected


def test_what_is_below_its_threshold() -> None:
    """It is said beside the score; a label's own threshold comes before that of all."""
    decide = Decide(threshold=0.95, thresholds={"dog": 0.5})
    assert line_words(FRAME, decide) == "frame     12  cat 0.93 (below 0.95)  age 40 ms"
    assert line_words({**FRAME, "label": "dog"}, decide) == "frame     12  dog 0.93  age 40 ms"


def test_which_model_looks() -> None:
    """By its name; and where to see it, if it has a page."""
    place = Place(
        "/", "/home/pi", "/home/pi/.bramble", "python3", "pi", 1000, "8c292d5e3436" * 4, model="person-detector"
    )
    place = replace(place, model="person-detector")
    ask = CameraAsk("b", "folder:photos")
    assert begin_words(ask, place, "pi") == "person-detector (release 8c292d5e3436) looks at folder:photos"
    assert begin_words(replace(ask, page="127.0.0.1:0"), place, "pi").endswith("live page: bramble camera view pi")


def test_drops_of_a_cause_that_the_capture_and_the_loop_have() -> None:
    """A damaged picture of a folder is one, although the loop itself skipped none; late ones of both are added."""
    age = AgeStatus(0, 0.0, None, None, None, 0.0)
    captured = {"frames": 9, "damaged": 1, "late": 2, "missed": 0}
    skipped = {"damaged": 0, "late": 3, "still": 0}
    status = CameraStatus(
        "camera",
        "r",
        "folder:x",
        "a" * 64,
        1.0,
        9,
        None,
        0,
        "",
        captured,
        skipped,
        0,
        {},
        age,
        (),
        Decide(),
        SwapStatus(),
    )
    assert end_words(CameraAnswer("end", status)).endswith("not looked at: 1 damaged, 5 late")
    still = CameraStatus(**{**vars(status), "frames": 1, "captured": {}, "skipped": {"still": 7, "every": 2}})
    assert end_words(CameraAnswer("end", still)) == (
        "1 frame in 1.0 s, 1.0 fps, 0 events; not looked at: 7 still (--motion), 2 by --every"
    )
    hook = DeliveryStatus("http://door/", 2, 5, 1, 0, 6, "Connection refused")
    failed = CameraStatus(**{**vars(status), "captured": {}, "skipped": {}, "actions": (hook,)})
    assert end_words(CameraAnswer("end", failed)).endswith(
        "; http://door/: 5 waiting for the next run, 1 dropped (Connection refused)"
    )
    clean = CameraStatus(**{**vars(status), "captured": {"frames": 9}, "skipped": {"late": 0}})
    assert end_words(CameraAnswer("end", clean)).endswith("every frame looked at")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            '{"version": 2, "error": {"code": "x", "message": "no camera", "hint": "plug it in"}}',
            "error: no camera → plug it in",
        ),
        ('{"version": 2, "answer": {"ended": "stop", "status": {"frames": 1234}}}', "ended (stop) after 1,234 frames"),
        ("Started bramble-camera.service.", "Started bramble-camera.service."),
        ("[1, 2]", "[1, 2]"),
        ('{"version": 2, "line": {"new": 1}}', '{"version": 2, "line": {"new": 1}}'),
    ],
)
def test_journal(said: str, expected: str) -> None:
    """What is none of the agent's lines stays as it is."""
    assert said_words(said) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (None, {})),
        (["0.6"], (0.6, {})),
        (["cat=0.6", "0.4", "a=b=1"], (0.4, {"cat": 0.6, "a=b": 1.0})),
    ],
)
def test_thresholds(words: list[str], expected: object) -> None:
    """One for all labels, and some labels' own; a label may hold an equals sign."""
    assert thresholds(words) == expected


@pytest.mark.parametrize("word", ["cat", "cat=", "cat=high", "1.5", "cat=-0.1", "nan", ""])
def test_thresholds_that_are_none(word: str) -> None:
    """Named, with an example."""
    with pytest.raises(UsageError, match="is no score"):
        thresholds([word])


@pytest.mark.parametrize("text", ["512M", "50%", "1G", "infinity", "100000000"])
def test_memory(text: str) -> None:
    """As systemd takes it."""
    assert check_memory(text) == text


@pytest.mark.parametrize("text", ["", "much", "0", "0%", "101%", "-1M", "5 M", "1M\nUser=root", "٣M"])
def test_memory_that_is_none(text: str) -> None:
    """Nothing else gets into the unit."""
    with pytest.raises(UsageError, match="no amount of memory"):
        check_memory(text)


def test_writable() -> None:
    """The folders that events go to, relative ones from where the loop starts."""
    actions = (
        "jsonl:/var/log/a/events.jsonl?keep=3",
        "jsonl:events.jsonl",
        "snapshot:~/pictures",
        "mqtt://broker/topic",
    )
    assert writable(actions, "/srv", "/home/pi") == ("/var/log/a", "/srv", "/home/pi/pictures")


def test_service() -> None:
    """Systemd's properties in a line."""
    state = {"ActiveState": "failed", "Result": "watchdog", "NRestarts": "5", "UnitFileState": "enabled"}
    assert service_words(state, "system service") == (
        "system service: failed (watchdog), starts at boot, started anew 5 times"
    )
    state = {"ActiveState": "active", "Result": "success", "NRestarts": "0", "MemoryCurrent": "87000000"}
    assert service_words(state, "service of user pi") == "service of user pi: active, does not start at boot, 87.0 MB"
    assert "B" not in service_words({**state, "MemoryCurrent": "18446744073709551615"}, "x")
