"""Passwords in URLs and parameters do not reach the page."""

from __future__ import annotations

import pytest

from bramble_agent.camera.redact import redacted, without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:hush@cam:554/1", "rtsp://me:…@cam:554/1"),
        ("rtsp://me:hu@sh@cam/1", "rtsp://me:…@cam/1"),
        ("mqtt://:hush@broker", "mqtt://:…@broker"),
        ("rtsp://me@cam/1", "rtsp://me@cam/1"),
        ("https://h/a?token=hush&b=1", "https://h/a?token=…&b=1"),
        ("https://h/a?b=1&API_KEY=hush", "https://h/a?b=1&API_KEY=…"),
        ("cannot open https://h/?password=hush: refused", "cannot open https://h/?password=… refused"),
        ("synthetic:?fps=5", "synthetic:?fps=5"),
        ("http://127.0.0.1:80/monkey=3", "http://127.0.0.1:80/monkey=3"),
    ],
)
def test_redacted(text: str, shown: str) -> None:
    """The password goes, what tells where it is stays."""
    assert redacted(text) == shown


def test_all_of_a_value() -> None:
    """At any depth; what JSON has no number for becomes null."""
    value = {"a": ["rtsp://u:p@h", 1, None, {"b": ("x", float("nan"), float("inf"), 0.5)}]}
    assert without_secrets(value) == {"a": ["rtsp://u:…@h", 1, None, {"b": ["x", None, None, 0.5]}]}
