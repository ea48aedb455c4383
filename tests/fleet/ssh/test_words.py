"""What failed, in words: no numbers of errors, no names of classes."""

from __future__ import annotations

import socket

import pytest

from bramble.fleet.ssh.words import words


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "nothing listens there (connection refused)"),
        (OSError(113, "No route to host"), "there is no way there (no route to host)"),
        (socket.gaierror(-2, "Name or service not known"), "no machine of this name is known here"),
        (TimeoutError("timed out"), "no answer in time"),
        (TimeoutError(110, "Connection timed out"), "no answer in time"),
        (OSError(13, "Permission denied"), "Permission denied"),
        (OSError("Failure"), "Failure"),
        (EOFError(), "it hung up"),
        (ValueError("odd"), "odd"),
        (ValueError(), "ValueError"),
    ],
)
def test_words(error: Exception, told: str) -> None:
    """Every kind of failure has its words."""
    assert words(error) == told
