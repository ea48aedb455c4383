"""Headless Chromium for tests, spoken to through two pipes (DevTools' protocol): no driver, no port, no network."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

QUIET = (
    "headless no-sandbox disable-gpu no-first-run disable-background-networking disable-component-update disable-sync "
    "remote-debugging-pipe force-color-profile=srgb"
)
PATIENCE_S = 60.0


class Tab:
    """One page; ``errors`` are what its console and its requests complained about."""

    def __init__(self, to: int, back: int) -> None:
        """Opens an empty one."""
        self.errors: list[str] = []
        self._to, self._back, self._said, self._number, self._session = to, back, b"", 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask for something and wait for the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while True:
            told = self._read(until)
            if told.get("id") == self._number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result
            self._note(told)

    def open(self, url: str) -> None:
        """Go there."""
        self.call("Page.navigate", url=url)

    def value(self, script: str) -> Any:
        """What a script gives; promises are waited for."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, script: str, seconds: float = 30.0) -> None:
        """Wait until a script gives something true."""
        end = time.monotonic() + seconds
        while not self.value(script):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.05)

    def look_like(self, width: int, height: int, dark: bool = False) -> None:
        """The window's size, and the colours that its user likes."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path, whole: bool = False) -> None:
        """A screenshot."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def _read(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._said:
            readable, _, _ = select.select([self._back], [], [], max(0.0, until - time.monotonic()))
            assert readable, "Chromium does not answer"
            block = os.read(self._back, 1 << 20)
            assert block, "Chromium ended"
            self._said += block
        line, _, self._said = self._said.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        return told

    def _note(self, told: dict[str, Any]) -> None:
        method, params = told.get("method"), told.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(json.dumps(params["entry"]))


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """A page of a browser of its own; the test is skipped where there is no Chromium."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium here")
    (theirs_in, to), (back, theirs_out) = os.pipe(), os.pipe()
    flags = [f"--{flag}" for flag in QUIET.split()] + [f"--user-data-dir={folder / 'profile'}"]
    # a browser reads from 3 and writes to 4, whatever numbers the pipes have here
    script = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
    command = ["bash", "-c", script, browser, *flags]
    process = subprocess.Popen(command, pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL)
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Tab(to, back)
    finally:
        os.close(to)
        process.terminate()
        process.wait(20)
        os.close(back)
