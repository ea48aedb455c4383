"""The README's person detector: a model that was made elsewhere, imported, pushed, and looking, with an action."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from running import bramble

PEOPLE = ("coral_face", "coral_grace_hopper", "pillow_hopper_orientation_6", "skimage_astronaut", "skimage_camera")


def run(*words: str | Path, cwd: Path) -> str:
    """Run Bramble to a good end; its stdout."""
    done = bramble(*words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_person_detector(tmp_path: Path, data: Path) -> None:
    """People are seen on the photos that show some and on no other; their events are in the file, each once."""
    shutil.copy(data / "models/mlperf-tiny/visual_wake_words/vww_96_int8.tflite", tmp_path)
    shutil.copytree(data / "photos", tmp_path / "photos")
    words = ("import", "vww_96_int8.tflite", "--labels", "nobody,person", "--name", "person-detector")
    assert "bramble push person-detector.zip BOARD" in run(*words, cwd=tmp_path)
    run("push", "person-detector.zip", "local", cwd=tmp_path)
    photos = f"folder:{tmp_path}/photos"
    lines = [
        json.loads(line)
        for line in run("camera", "run", "local", "--source", photos, "--json", cwd=tmp_path).splitlines()
    ]
    names = sorted(path.stem for path in (tmp_path / "photos").iterdir() if path.suffix in (".jpg", ".png", ".bmp"))
    assert [names[line["frame"]] for line in lines if line["label"] == "person" and line["score"] >= 0.7] == [*PEOPLE]
    assert [name for at, name in enumerate(names) if at not in {line["frame"] for line in lines}] == [
        "pillow_truncated_jpeg"
    ]
    action = f"jsonl:{tmp_path}/people.jsonl?label=person"
    run("camera", "run", "local", "--source", photos, "--threshold", "person=0.7", "--on", action, cwd=tmp_path)
    events = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()]
    assert {event["label"] for event in events} == {"person"}
    assert [event["what"] for event in events] == ["seen", "gone"] * (len(events) // 2)
    assert [names[event["frame"]] for event in events if event["what"] == "seen"] == [PEOPLE[0], *PEOPLE[2:4]]
    assert len({event["id"] for event in events}) == len(events)


@pytest.mark.slow
def test_on_a_video(tmp_path: Path, data: Path) -> None:
    """A video that shows bottles and nobody: every frame is looked at, no person is seen for long."""
    model = data / "models/mlperf-tiny/visual_wake_words/vww_96_int8.tflite"
    run("import", model, "--labels", "nobody,person", "--name", "person-detector", cwd=tmp_path)
    run("push", "person-detector.zip", "local", cwd=tmp_path)
    video = f"file:{data}/video/bottle-detection.mp4"
    words = ("--frames", "300", "--json")
    lines = [
        json.loads(one) for one in run("camera", "run", "local", "--source", video, *words, cwd=tmp_path).splitlines()
    ]
    assert [line["frame"] for line in lines] == list(range(300))
    assert sum(line["label"] == "nobody" for line in lines) > 270
