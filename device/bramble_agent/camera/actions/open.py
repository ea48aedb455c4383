"""From a URL-like string to an action.

jsonl:PATH                       lines of JSON in a file              ?rotate_bytes= &keep=
mqtt://[USER@]HOST[:PORT]/TOPIC  a broker; mqtts:// over TLS          ?password_file= &ca_file= &cert_file= &key_file=
https://HOST/PATH, http://…      a POST to a server                   ?token_file= &url_file= &ca_file= &timeout=
gpio:PIN                         a pin of the board                   ?seconds= &low=
snapshot:FOLDER                  pictures                             ?keep= &keep_bytes= &quality= &plain=
command:/PATH                    a program that is run                ?arg= (any number) &timeout=

All of them: ``?label=`` (any number) and ``?what=`` (seen or gone) choose events. Secrets are in files, never here.
"""

from __future__ import annotations

import re
from typing import Sequence, Tuple

from ...errors import BadRequest
from ..budget import Budget
from ..event import Action
from ..sources.options import nearest, split
from . import chosen, command, gpio, jsonl, mqtt, snapshot, webhook
from .settings import Settings

SCHEMES = ("jsonl", "mqtt", "mqtts", "http", "https", "gpio", "snapshot", "command")
PLACES = {
    "jsonl": "jsonl:/home/pi/events.jsonl",
    "gpio": "gpio:17",
    "snapshot": "snapshot:/home/pi/pictures",
    "command": "command:/home/pi/bell.sh",
}


def action(text: str, budget: Budget) -> Action:
    """The action that ``text`` names, not open yet; what it writes to the disk is of ``budget``. Raises BadRequest."""
    scheme, colon, behind = text.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z0-9+.-]{1,20}", scheme):
        raise BadRequest(f"{text.partition('?')[0][:40]!r} is no action", _hint(text))
    if scheme not in SCHEMES:
        raise BadRequest(f"there is no kind of action {scheme!r}", nearest(scheme, SCHEMES))
    if scheme in ("http", "https"):
        address, asked = _own(text, webhook.KNOWN + chosen.KNOWN)
        settings = Settings.read(scheme, asked, webhook.KNOWN + chosen.KNOWN)
        return chosen.chosen(webhook.Webhook(address, settings), settings)
    place, asked = split(behind)
    if not place.strip("/"):
        raise BadRequest(f"{scheme}: needs to know where", PLACES.get(scheme, mqtt.SHAPE))
    made, settings = _made(scheme, place, asked, budget)
    return chosen.chosen(made, settings)


def _made(scheme: str, place: str, asked: str, budget: Budget) -> Tuple[Action, Settings]:
    def read(known: Sequence[str]) -> Settings:
        return Settings.read(scheme, asked, (*known, *chosen.KNOWN))

    if scheme == "jsonl":
        settings = read(jsonl.KNOWN)
        return jsonl.JsonLines(place, settings, budget), settings
    if scheme == "snapshot":
        settings = read(snapshot.KNOWN)
        return snapshot.Snapshot(place, settings, budget), settings
    if scheme == "gpio":
        settings = read(gpio.KNOWN)
        return gpio.Gpio(place, settings), settings
    if scheme == "command":
        settings = read(command.KNOWN)
        return command.Command(place, settings), settings
    settings = read(mqtt.KNOWN)
    return mqtt.Mqtt(f"{scheme}:{place}", settings), settings


def _own(address: str, known: Sequence[str]) -> Tuple[str, str]:
    """An address without the options that are ours, and those: the others are the server's."""
    place, mark, behind = address.partition("?")
    if not mark:
        return address, ""
    keys = [part.partition("=")[0] for part in behind.split("&")]
    parts = list(zip(keys, behind.split("&")))
    theirs = "&".join(part for key, part in parts if key not in known)
    ours = "&".join(part for key, part in parts if key in known)
    return (f"{place}?{theirs}" if theirs else place), ours


def _hint(text: str) -> str:
    if text.startswith("/"):
        return f"a file is jsonl:{text}, a folder snapshot:{text}, a program command:{text}"
    return nearest(text, [f"{scheme}:" for scheme in SCHEMES])
