"""From strings to actions: every kind, every mistake, and no secret in any message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.camera.actions.making_events import PLENTY, event, made, secret
from bramble_agent.camera.actions.chosen import Chosen
from bramble_agent.camera.actions.command import Command
from bramble_agent.camera.actions.gpio import Gpio
from bramble_agent.camera.actions.jsonl import JsonLines
from bramble_agent.camera.actions.mqtt import Mqtt
from bramble_agent.camera.actions.open import action
from bramble_agent.camera.actions.secret_file import read_secret
from bramble_agent.camera.actions.snapshot import Snapshot
from bramble_agent.camera.actions.webhook import Webhook
from bramble_agent.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "kind", "pictures", "kept"),
    [
        ("jsonl:/tmp/events.jsonl", JsonLines, False, True),
        ("jsonl:~/what?.jsonl?rotate_bytes=100000&keep=0", JsonLines, False, True),
        ("mqtt://broker/home/door", Mqtt, False, True),
        ("mqtts://pi@broker:8884/home?password_file=/p&ca_file=/c", Mqtt, False, True),
        ("mqtt://[fe80::1]:1884/home", Mqtt, False, True),
        ("https://example.org/hook?room=hall&token_file=/t", Webhook, False, True),
        ("http://example.org", Webhook, False, True),
        ("gpio:17?seconds=2.5", Gpio, False, False),
        ("gpio:BOARD11?low=1", Gpio, False, False),
        ("snapshot:/tmp/pictures?keep=3&quality=50&plain=yes", Snapshot, True, False),
        ("command:/bin/true?arg=-x&arg=two words&timeout=1", Command, False, True),
    ],
)
def test_kinds(text: str, kind: type[Any], pictures: bool, kept: bool) -> None:
    """Each string gives its kind, without opening anything."""
    found = action(text, PLENTY)
    assert isinstance(found, kind)
    assert (found.pictures, found.kept) == (pictures, kept)


def test_a_server_keeps_its_own_options() -> None:
    """What is not ours in a webhook's address goes to the server."""
    hook = made("https://example.org/hook?room=hall&token_file=/t&empty=&timeout=3&x=%26")
    assert hook._address == "https://example.org/hook?room=hall&empty=&x=%26"
    assert (hook._settings.text("token_file"), hook._timeout_s) == ("/t", 3.0)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("mqqt://broker/home", "'mqqt'", "do you mean mqtt?"),
        ("json:/tmp/x", "'json'", "do you mean jsonl?"),
        ("email:me@example.org", "'email'", "there are jsonl, mqtt"),
        ("", "no action", "there are jsonl:"),
        ("/home/pi/bell.sh", "no action", "command:/home/pi/bell.sh"),
        ("jsonl:", "needs to know where", "jsonl:/home/pi"),
        ("gpio:", "needs to know where", "gpio:17"),
        ("snapshot:?keep=3", "needs to know where", "snapshot:/"),
        ("mqtt://", "needs to know where", "mqtt://USER@HOST"),
        ("mqtt://broker", "no topic", "home/door"),
        ("mqtt://broker/a/%23", "no topic", "no #"),
        ("mqtt://broker/a/+/b", "no topic", "no +"),
        ("mqtt://broker/$SYS/x", "no topic", "$"),
        ("mqtt://broker:port/a", "no broker's address", "mqtt://USER@HOST"),
        ("mqtt://broker:0/a", "no broker's address", "mqtt://USER@HOST"),
        ("mqtt:///a", "no broker's address", "mqtt://USER@HOST"),
        ("jsonl:/a?keep=-1", "keep=-1", "whole number from 0"),
        ("jsonl:/a?rotate_bytes=10", "rotate_bytes=10", "from 1000"),
        ("jsonl:/a?rotate=10", "no option 'rotate'", "rotate_bytes"),
        ("gpio:17?seconds=long", "seconds=long", "seconds, like"),
        ("gpio:17?low=maybe", "low=maybe", "1 or 0"),
        ("snapshot:/a?quality=100", "quality=100", "whole number"),
        ("command:/bin/true?timeout=-1", "timeout=-1", "seconds, like"),
        ("jsonl:/a?what=lost", "what=lost: there is no such event", "seen or gone"),
        ("https://example.org/?token_file=/t&timeout=x", "timeout=x", "seconds, like"),
    ],
)
def test_mistakes(text: str, message: str, hint: str) -> None:
    """Each is refused by what is wrong, and the hint says what would be right."""
    with pytest.raises(BadRequest) as caught:
        action(text, PLENTY)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "mqtt://pi:s3cr3t@broker/home",
        "mqtts://pi:s3cr3t@broker:x/home",
        "mqtt://pi:s3cr3t@broker",
        "mqtt://pi:s3cr3t@broker/#",
        "mqtt://pi:s3cr3t@broker/a?keep=1",
        "https://pi:s3cr3t@example.org/hook",
        "https://example.org/s3cr3t?timeout=x",
        "https://example.org:s3cr3t/",
        "webhook://pi:s3cr3t@example.org",
        "mqtt:pi:s3cr3t@example.org",
    ],
)
def test_no_secret_is_told(text: str) -> None:
    """A password or token that somebody put into the string is refused (or cannot be known), and not repeated."""
    with pytest.raises(BadRequest) as caught:
        action(text, PLENTY).open()
    assert "s3cr3t" not in f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"


def test_chosen() -> None:
    """Labels and what happened choose events; nothing chosen is the action itself."""
    assert isinstance(action("jsonl:/a", PLENTY), JsonLines)
    found = action("snapshot:/a?label=person&label=cat&what=seen", PLENTY)
    assert isinstance(found, Chosen)
    assert (found.pictures, found.kept) == (True, False)
    came = []
    found.action.act = lambda one, picture: came.append((one.label, one.what))  # type: ignore[method-assign]
    for label in ("person", "dog", "cat"):
        for what in ("seen", "gone"):
            found.act(event(label=label, what=what), None)
    assert came == [("person", "seen"), ("cat", "seen")]


def test_secret_file(tmp_path: Path) -> None:
    """Its first line; only its owner may read it."""
    assert read_secret(str(secret(tmp_path, "  pass word \nrest\n"))) == "pass word"
    assert read_secret(str(secret(tmp_path, "word", 0o400))) == "word"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_secret_that_others_may_read(mode: int, tmp_path: Path) -> None:
    """Is refused, and chmod is named."""
    with pytest.raises(BadRequest) as caught:
        read_secret(str(secret(tmp_path, "s3cr3t", mode)))
    assert caught.value.hint.startswith("chmod 600 ")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("held", [b"", b"\n", b"\xff\xfe", b"a\x00b", b"a\rb", b"x" * 5_000])
def test_no_secret_in_it(held: bytes, tmp_path: Path) -> None:
    """Empty, binary, or too long: refused without being told."""
    path = secret(tmp_path)
    path.write_bytes(held)
    with pytest.raises(BadRequest, match="holds no secret"):
        read_secret(str(path))


def test_no_secret_file(tmp_path: Path) -> None:
    """None there, or a folder."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BadRequest):
            read_secret(str(path))
