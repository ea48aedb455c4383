"""What tests of several actions share."""

from __future__ import annotations

import pytest

from bramble_agent.camera.actions import mqtt_session


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little patience with brokers."""
    for name, value in (("FIRST_PAUSE_S", 0.01), ("LOOK_S", 0.05), ("CONNECT_S", 1.0), ("ANSWER_S", 1.0)):
        monkeypatch.setattr(mqtt_session, name, value)
    monkeypatch.setattr(mqtt_session.Session.send, "__defaults__", (1.0,))
