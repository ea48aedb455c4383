"""The contract as it is on the wire: literal messages that must be read, and written again to the letter.

A failure here says that host and board of different days no longer understand each other. If that is meant, raise
WIRE_VERSION or BUNDLE_VERSION in ``wire``, write its line of history there, and change the literal file.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from bramble_agent import errors, wire, wire_camera, wire_install, wire_release
from bramble_agent.__main__ import ASKS, OF_CAMERA
from bramble_agent.codec import decode, encode

GOLDEN = Path(__file__).parent / "golden"
MESSAGES = sorted(path.stem for path in GOLDEN.glob("*.json"))
CONTRACT = {**vars(wire), **vars(wire_install), **vars(wire_release), **vars(wire_camera)}


@pytest.mark.parametrize("name", MESSAGES)
def test_literal_message(name: str) -> None:
    """The literal JSON decodes, and encodes to the same text: keys, their order, and every value."""
    text = (GOLDEN / f"{name}.json").read_text()
    message: object = decode(CONTRACT[name], json.loads(text))
    assert json.dumps(encode(message), indent=2, ensure_ascii=False) + "\n" == text


def test_every_message_has_a_literal() -> None:
    """The manifest, every request, every answer: none is without its file."""
    sent = {name for name in CONTRACT if name.endswith(("Ask", "Answer"))}
    assert sent | {"Manifest"} == set(MESSAGES)


def test_versions() -> None:
    """The literal files are those of wire version 2 and bundle version 2."""
    assert wire.WIRE_VERSION == 2
    assert wire.BUNDLE_VERSION == 2


def test_verbs() -> None:
    """A verb of the wire is its request's name, in lower case and without Ask."""
    asks = {name[:-3].lower(): kind for name, kind in CONTRACT.items() if name.endswith("Ask")}
    assert asks == {**ASKS, "camera": wire_camera.CameraAsk, "control": wire_camera.ControlAsk}
    assert {*ASKS, *OF_CAMERA} == set(asks)


def test_error_codes() -> None:
    """The codes of refusals are part of the contract: the host turns them into its own errors."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AgentError)]
    assert sorted(kind.code for kind in kinds) == [
        "action-failed",
        "action-refused",
        "agent",
        "bad-request",
        "bundle-damaged",
        "bundle-version",
        "busy",
        "camera-busy",
        "camera-lost",
        "camera-missing",
        "cut-short",
        "frame-damaged",
        "model-rejected",
        "no-release",
        "not-trusted",
        "operator-missing",
        "runtime-missing",
        "storage",
    ]


def test_everything_is_frozen() -> None:
    """No message can be changed after it was made."""
    for kind in CONTRACT.values():
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            assert vars(kind)["__dataclass_params__"].frozen, kind


def test_fields_that_a_host_may_leave_out() -> None:
    """What a push does if nothing is said: switch, one thread, three releases, no health check, as the files are."""
    ask = wire_release.ReleaseAsk("r", "d", "m")
    assert (ask.switch, ask.threads, ask.again, ask.keep, ask.signature) == (True, 1, False, 3, "")
    assert (ask.health, ask.health_s) == ((), 0.0)
    assert wire_release.Piece("b", 1, "s", 1, 0, 1).coding == "raw"


def test_camera_defaults() -> None:
    """A camera without wishes: every frame, as fast as it goes, told one by one, no page, nothing acted on."""
    ask = wire_camera.CameraAsk("b", "s")
    assert (ask.fps, ask.every, ask.motion, ask.frames, ask.deadline_ms) == (None, 1, 0.0, None, None)
    assert (ask.tell, ask.actions, ask.page, ask.root) == ("frames", (), "", "")
    assert (ask.decide.threshold, ask.decide.release, ask.decide.smooth, ask.decide.hold) == (0.5, 0.8, 0.0, 1)
    how = wire_camera.SwapHow()
    assert (how.compare, how.agreement, how.latency_ms, how.probation) == (32, 0.9, None, 128)


def test_default_policy_is_the_standard_profile() -> None:
    """A bench without wishes takes the 662 runs that p99 with one exceedance needs, one minute at most."""
    ask = wire.BenchAsk("b")
    assert (ask.min_runs, ask.max_s, ask.energy_s) == (662, 60.0, 10.0)
