"""What the page answers at each path, and to whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bramble_agent.camera.page.serve import address
from bramble_agent.codec import decode
from bramble_agent.errors import BadRequest, Busy
from bramble_agent.wire import WIRE_VERSION
from bramble_agent.wire_camera import CameraStatus, DeliveryStatus, SustainedStatus, Tuning
from paging import LABELS, page

TOKEN = "a-token-of-the-test"  # noqa: S105


class Action:
    """Stands for a delivery."""

    pictures = False

    def status(self) -> DeliveryStatus:
        """Some of each."""
        return DeliveryStatus("mqtt://me:hush@broker/x", 5, 4, 3, 2, 1, "https://h/?token=hush refused")


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels, as Prometheus' own parser reads them."""
    return {
        (one.name.removeprefix("bramble_camera_"), tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_page_and_its_files() -> None:
    """The page needs nothing from elsewhere, and a browser may load nothing else for it."""
    with page() as one:
        for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
            status, body, headers = one.get(path)
            assert (status, headers["Content-Type"].partition(";")[0]) == (200, kind)
            assert b"{{" not in body
            assert b"//cdn" not in body
            assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
            assert (headers["X-Frame-Options"], headers["Cache-Control"]) == ("DENY", "no-store")
            assert (headers["Cross-Origin-Resource-Policy"], headers["Server"]) == ("same-origin", "bramble")
        assert one.get("/nothing")[0] == 404
        assert one.get("/../../etc/passwd")[0] == 404
        assert one.get("/page.html")[0] == 404
        assert one.get("/", "HEAD")[:2] == (200, b"")
        assert one.get("/", "DELETE")[0] == 501


def test_status_is_that_of_the_control_socket_without_passwords() -> None:
    """The same value, but what is a password in a URL is not told."""
    with page() as one:
        one.stats.deliveries = [Action()]  # type: ignore[list-item]
        one.predict(0)
        status, body, _ = one.get("/status")
        value = json.loads(body)
        assert (status, value["version"]) == (200, WIRE_VERSION)
        told = decode(CameraStatus, value["answer"])
        assert (told.name, told.frames, told.page) == ("door", 1, f"127.0.0.1:{one.port}")
        assert (told.source, told.actions[0].action) == ("rtsp://me:…@camera/1", "mqtt://me:…@broker/x")
        for path in ("/status", "/live", "/metrics", "/healthz"):
            assert b"hush" not in one.get(path)[1], path
        one.stats.trouble = lambda: "rtsp://me:hush@camera/1 went away"
        assert one.get("/healthz")[:2] == (503, "no frames: rtsp://me:…@camera/1 went away\n".encode())


def test_health() -> None:
    """503 until a frame came, and with the reason."""
    with page() as one:
        assert one.get("/healthz")[:2] == (503, b"no frame has come yet\n")
        one.predict(0)
        assert one.get("/healthz")[:2] == (200, b"ok\n")
        assert one.get("/healthz", "HEAD")[:2] == (200, b"")


def test_metrics_for_prometheus() -> None:
    """Prometheus' parser reads them, and they are the loop's numbers; names of labels may hold any sign."""
    with page() as one:
        one.stats.deliveries = [Action()]  # type: ignore[list-item]
        one.stats.source = 'a "b"\\c\nd'
        one.stats.sustained = lambda: SustainedStatus(61.5, 80.0, False, 0.5, "heat", 0.25, 1000, 900, 5000)
        for number in range(3):
            one.predict(number)
        status, body, headers = one.get("/metrics")
        assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        found = samples(body.decode())
    assert found["frames_total", ()] == 3
    assert found["captured_frames_total", ()] == 3
    assert found["dropped_frames_total", (("cause", "late"),)] == 2
    assert found["skipped_frames_total", (("cause", "still"),)] == 0
    assert (found["healthy", ()], found["temperature_celsius", ()], found["rate_ratio", ()]) == (1, 61.5, 0.5)
    assert (found["written_bytes_total", ()], found["written_day_bytes", ()], found["cpu_cores", ()]) == (
        1000,
        900,
        0.25,
    )
    info = next(dict(labels) for name, labels in found if name == "info")
    assert info == {"name": "door", "run": "abc123", "release": "r1", "source": 'a "b"\\c\nd'}
    action = ("action", "0 mqtt://me:…@broker/x")
    outcomes = [
        found["action_events_total", (action, ("outcome", one))] for one in ("done", "dropped", "refused", "failures")
    ]
    assert outcomes == [5, 3, 2, 1]
    assert found["action_waiting", (action,)] == 4
    assert found["age_seconds_count", (("at", "inference"),)] == 3
    assert found["age_seconds_sum", (("at", "inference"),)] == pytest.approx(0.06)
    edges = {
        float(dict(labels)["le"]): n
        for (name, labels), n in found.items()
        if name == "age_seconds_bucket" and ("at", "inference") in labels
    }
    assert [n for edge, n in sorted(edges.items()) if edge < 0.016] == [0] * len([e for e in edges if e < 0.016])
    assert [n for edge, n in sorted(edges.items()) if edge > 0.033] == [3] * len([e for e in edges if e > 0.033])
    assert len(edges) > 12
    assert float("inf") in edges


def test_live_gives_what_is_new() -> None:
    """The latest prediction, whether all is well, and samples from a number on; nonsense counts as 0."""
    with page() as one:
        first = json.loads(one.get("/live")[1])
        assert (first["latest"], first["unwell"], first["next"], first["samples"]) == (
            None,
            "no frame has come yet",
            0,
            [],
        )
        one.predict(7)
        told = json.loads(one.get("/live?after=0")[1])
        assert (told["latest"]["frame"], told["latest"]["label"], told["unwell"]) == (7, "cat", "")
        for query in ("after=x", "after=-1", "after=²", "after=" + "9" * 400, "&" * 50, "%00=%ff"):
            assert one.get(f"/live?{query.replace('²', '%C2%B2')}")[0] == 200
        assert json.loads(one.get("/labels")[1])["answer"] == list(LABELS)


def test_thresholds_change_by_the_function_of_the_control_socket() -> None:
    """What the page posts is a Tuning; the answer is the status after it."""
    with page() as one:
        headers = one.key()
        status, body, _ = one.get("/thresholds", "POST", {"threshold": 0.25, "thresholds": {"dog": 0.5}}, **headers)
        assert status == 200
        told = decode(CameraStatus, json.loads(body)["answer"]).decide
        assert (told.threshold, told.thresholds) == (0.25, {"dog": 0.5})
        assert [(c.do, c.tuning) for c in one.commands] == [
            ("thresholds", Tuning(threshold=0.25, thresholds={"dog": 0.5}))
        ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"[" * 100_00, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "thresholds"),
        (b'{"threshold": 2}', "threshold: 2 is no score"),
        (b'{"threshold": NaN}', "threshold: nan is no score"),
        (b'{"threshold": "high"}', "threshold"),
        (b'{"thresholds": {"lion": 0.5}}', "'lion', which is no label"),
        (b'{"hold": 1e400}', "hold"),
        (b'{"whatever": 1}', "whatever"),
    ],
)
def test_thresholds_that_make_no_sense(body: bytes, said: str) -> None:
    """Told as an error with what to do; nothing changes."""
    with page() as one:
        before = one.decider.how
        status, told, _ = one.get("/thresholds", "POST", body, **one.key())
        assert status == 400
        assert said in json.loads(told)["error"]["message"]
        assert one.decider.how == before


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("[::1]:0", ("::1", 0)),
        ("pi.local:80", ("pi.local", 80)),
    ],
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    """Host and port."""
    assert address(text) == found


@pytest.mark.parametrize("text", ["8080", "127.0.0.1", "::1:80", "a:b", "a:99999", "a:-1", "a:", "a:²"])
def test_addresses_that_are_none(text: str) -> None:
    """Refused, with how to write one."""
    with pytest.raises(BadRequest, match="is no address"):
        address(text)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """Says so, before anything else is opened."""
    with page() as one, pytest.raises(Busy, match="the page cannot be at"), page(page=f"127.0.0.1:{one.port}"):
        pass
    with pytest.raises(BadRequest, match="the page cannot be at"), page(page="192.0.2.1:80", root=str(tmp_path)):
        pass
