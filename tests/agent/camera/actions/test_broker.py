"""MQTT through a real broker (mosquitto): TLS, users, rights, the last will, and outages without a lost event."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.camera.actions.broker import Mosquitto, Onlooker, settled, users
from agent.camera.actions.certificates import authority
from agent.camera.actions.making_events import event, made, secret
from agent.camera.spooling import PLENTY
from bramble_agent.camera import deliver, spool
from bramble_agent.camera.actions import mqtt_session
from bramble_agent.camera.ages import Ages
from bramble_agent.camera.budget import Budget
from bramble_agent.camera.deliver import Delivery
from bramble_agent.camera.event import event_json
from bramble_agent.camera.segments import Segments
from bramble_agent.camera.spool import Sizes, Spool
from bramble_agent.errors import ActionRefused, BadRequest
from looking import until

pytestmark = pytest.mark.slow
STATE, TOPIC = "home/door/state", "home/door"


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker for everybody, up."""
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker with TLS and a password file; the user pi may not write to "forbidden"."""
    _, cert, key = authority(tmp_path)
    key.chmod(0o644)
    rules = tmp_path / "rules"
    rules.write_text("user pi\ntopic readwrite home/#\nuser reader\ntopic read #\n")
    lines = f"certfile {cert}\nkeyfile {key}\nacl_file {rules}\n"
    broker = Mosquitto(tmp_path, users(tmp_path, pi="s3cr3t-word", reader="other") + lines)
    broker.start()
    yield broker
    broker.stop()


def test_tls_and_password(strict: Mosquitto, tmp_path: Path) -> None:
    """Events arrive at a second client; the state is retained for a third one that comes later."""

    def reader(client: object) -> None:
        client.username_pw_set("reader", "other")  # type: ignore[attr-defined]
        client.tls_set(str(tmp_path / "ca.pem"))  # type: ignore[attr-defined]

    onlooker = Onlooker(strict.port, reader)
    files = f"password_file={secret(tmp_path)}&ca_file={tmp_path}/ca.pem"
    action = made(f"mqtts://pi@localhost:{strict.port}/{TOPIC}?{files}")
    action.open()
    action.act(event(1), None)
    until(lambda: bool(onlooker.payloads(TOPIC)))
    assert json.loads(onlooker.payloads(TOPIC)[0]) == event_json(event(1))
    late = Onlooker(strict.port, reader)
    until(lambda: STATE in late.came)
    assert late.came == {STATE: [(b"online", True)]}
    action.close()
    until(lambda: late.payloads(STATE) == [b"online", b"offline"])
    late.close()
    onlooker.close()


# paho leaves the socket of a failed TLS handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
def test_what_the_broker_does_not_allow(strict: Mosquitto, tmp_path: Path) -> None:
    """A wrong password, none, an authority nobody trusts, plain talk to a TLS port, a topic without the right to it."""
    ca = f"ca_file={tmp_path}/ca.pem"
    at = f"localhost:{strict.port}/{TOPIC}"
    wrong = secret(tmp_path, "wr0ng")
    with pytest.raises(BadRequest, match="does not") as caught:
        made(f"mqtts://pi@{at}?password_file={wrong}&{ca}").open()
    assert "password_file" in caught.value.hint
    assert "wr0ng" not in caught.value.message + caught.value.hint
    with pytest.raises(BadRequest, match="without a user"):
        made(f"mqtts://{at}?{ca}").open()
    with pytest.raises(BadRequest, match="not to be trusted") as caught:
        made(f"mqtts://pi@{at}?password_file={wrong}").open()
    assert "ca_file" in caught.value.hint
    files = f"password_file={secret(tmp_path)}&{ca}"
    action = made(f"mqtts://pi@localhost:{strict.port}/home?{files}")
    action._topic = "forbidden"
    action.open()
    with pytest.raises(ActionRefused, match="does not take forbidden") as refused:
        action.act(event(1), None)
    assert "access rules" in refused.value.hint
    action.close()


def test_last_will(plain: Mosquitto) -> None:
    """The process is killed: the broker says ``offline`` at once, retained."""
    program = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from agent.camera.actions.making_events import made
made("mqtt://127.0.0.1:{plain.port}/{TOPIC}").open()
time.sleep(1000)
"""
    onlooker = Onlooker(plain.port)
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        until(lambda: onlooker.payloads(STATE) == [b"online"])
        process.send_signal(signal.SIGKILL)
    until(lambda: onlooker.payloads(STATE) == [b"online", b"offline"])
    late = Onlooker(plain.port)
    until(lambda: late.came == {STATE: [(b"offline", True)]})
    late.close()
    onlooker.close()


def delivery(port: int, folder: Path, budget: Budget) -> tuple[Delivery, Spool]:
    """An MQTT action with a spool of small files."""
    held = Spool(Segments(folder / "memory", folder / "disk"), budget, Sizes(file=4_000, window=50), time.monotonic)
    return Delivery("a", made(f"mqtt://127.0.0.1:{port}/{TOPIC}"), Ages(), held), held


def numbers(onlooker: Onlooker) -> list[int]:
    """The events that came, by their frame's number over 10."""
    return [json.loads(payload)["frame"] // 10 for payload in onlooker.payloads(TOPIC)]


def in_order(found: list[int]) -> list[int]:
    """Each number where it came first."""
    return list(dict.fromkeys(found))


def test_broker_down_for_a_while(plain: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 events a second for 40 s, the broker down for 25 of them: all come, in order; the state is right again."""
    monkeypatch.setattr(spool, "SETTLE_S", 2.0)
    monkeypatch.setattr(deliver, "LONGEST_PAUSE_S", 5.0)
    budget = Budget(PLENTY)
    sending, held = delivery(plain.port, tmp_path / "spool", budget)
    sending.start()
    most_on_disk = 0
    onlooker = Onlooker(plain.port)
    begin = time.monotonic()
    for number in range(400):
        time.sleep(max(0.0, begin + number * 0.1 - time.monotonic()))
        if number == 50:
            plain.stop()
        if number == 300:
            plain.start()
        sending.put(event(number), None, time.monotonic_ns())
        most_on_disk = max(most_on_disk, len(list((tmp_path / "spool").glob("disk/*.events"))))
    until(lambda: sending.status().done == 400, 60.0)
    settled(lambda: len(numbers(onlooker)))
    sending.stop()
    until(lambda: onlooker.payloads(STATE)[-1:] == [b"offline"])
    onlooker.close()
    assert most_on_disk > 5
    assert in_order(numbers(onlooker)) == list(range(400))
    assert len(numbers(onlooker)) <= 402  # told twice: at most what was under way when it went down
    status = sending.status()
    assert (status.dropped, status.refused, status.waiting, status.trouble) == (0, 0, 0, "")
    assert onlooker.payloads(STATE)[:2] == [b"online", b"online"]
    assert held.held_bytes == 0
    assert budget.used > 250 * 200


def test_six_thousand_events_and_a_crash(plain: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What 10 minutes at 10 events/s leave behind, and the process is killed before the broker is back: all come."""
    monkeypatch.setattr(mqtt_session, "CONNECT_S", 1.0)
    plain.stop()
    program = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from agent.camera.actions.making_events import event
from agent.camera.actions.test_broker import PLENTY, Budget, delivery
sending, _ = delivery({plain.port}, Path({str(tmp_path / "spool")!r}), Budget(PLENTY))
sending.start(0.5)
for number in range(6_000):
    sending.put(event(number), None, 0)
print("put", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"put\n"
        os.kill(process.pid, signal.SIGKILL)
    plain.start()
    onlooker = Onlooker(plain.port)
    sending, _ = delivery(plain.port, tmp_path / "spool", Budget(PLENTY))
    start = time.monotonic()
    sending.start()
    recovered_s = time.monotonic() - start
    until(lambda: (now := sending.status()).waiting + now.done == 6_000)  # what is on its way is in neither
    sending.put(event(6_000), None, time.monotonic_ns())
    until(lambda: sending.status().done == 6_001, 120.0)
    settled(lambda: len(numbers(onlooker)))
    sending.stop()
    onlooker.close()
    assert numbers(onlooker) == list(range(6_001))
    assert recovered_s < 5.0


def test_a_password_that_changes_while_it_runs(strict: Mosquitto, tmp_path: Path) -> None:
    """Events wait and it is told; nothing is refused."""
    files = f"password_file={secret(tmp_path)}&ca_file={tmp_path}/ca.pem"
    sending = Delivery("a", made(f"mqtts://pi@localhost:{strict.port}/{TOPIC}?{files}"), Ages())
    sending.start()
    sending.put(event(1), None, 0)
    until(lambda: sending.status().done == 1)
    users(tmp_path, pi="another")
    strict.stop()
    strict.start()
    sending.put(event(2), None, 0)
    until(lambda: "does not" in sending.status().last_failure, 60.0)
    users(tmp_path, pi="s3cr3t-word")
    strict.stop()
    strict.start()
    until(lambda: sending.status().done == 2, 90.0)
    sending.stop()
    assert sending.status().refused == 0
