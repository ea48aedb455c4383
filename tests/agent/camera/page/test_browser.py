"""The page in a real browser: it shows what the loop does, changes thresholds, and complains about nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble_agent.camera.decide import Decider
from bramble_agent.wire_camera import Decide
from chromium import tab
from paging import LABELS, Page, page

HASH = """(() => {
  const seen = document.createElement("canvas"); seen.width = seen.height = 8;
  const brush = seen.getContext("2d", { willReadFrequently: true });
  brush.drawImage(document.getElementById("preview"), 0, 0, 8, 8);
  return Array.from(brush.getImageData(0, 0, 8, 8).data).join();
})()"""


@contextmanager
def looping(one: Page) -> Iterator[None]:
    """Within, a frame is predicted every 20 ms, each of another brightness."""
    over = threading.Event()

    def work() -> None:
        number = 0
        while not over.wait(0.02):
            one.predict(number)
            number += 1

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def test_the_page_lives(tmp_path: Path) -> None:
    """Loads, shows names of any sign as text, a preview that moves, charts that grow; a threshold that is dragged."""
    with page() as one, looping(one), tab(tmp_path) as browser:
        one.decider = Decider(LABELS, Decide(thresholds={LABELS[3]: 0.5}), "abc123")
        browser.look_like(1280, 1100)
        browser.open(f"http://127.0.0.1:{one.port}/")
        browser.until("document.getElementById('state')?.textContent === 'healthy'")
        assert browser.value("document.getElementById('name').textContent") == "door"
        assert browser.value("document.getElementById('source').textContent") == "rtsp://me:…@camera/1"
        browser.until("document.getElementById('preview').naturalWidth === 480")
        first = browser.value(HASH)
        browser.until(f"{HASH} !== {first!r}")
        browser.until("document.querySelectorAll('#sights li').length === 2")
        assert (
            browser.value("document.querySelector('#sights li.seen').innerText.split(/\\s+/).join(' ')") == "cat 75 %"
        )
        browser.until("document.querySelector('#fps-chart .line')?.getAttribute('d').split('L').length > 2")
        browser.until("document.querySelector('#age-chart .band') !== null")
        browser.until("document.querySelectorAll('#more option').length === 4")
        assert browser.value("document.querySelector('#own span').textContent") == LABELS[3]
        browser.value("""(() => { const knob = document.querySelector('[name=threshold]'); knob.value = 0.8;
            knob.dispatchEvent(new Event('input', {bubbles: true})); })()""")
        browser.until("document.getElementById('saved').textContent === 'saved'")
        assert one.decider.how.threshold == 0.8
        browser.until("document.querySelector('#sights li.seen') === null")
        browser.value("""(() => { const more = document.getElementById('more'); more.value = 'cat';
            more.dispatchEvent(new Event('change', {bubbles: true})); })()""")
        browser.until("document.querySelectorAll('#own .knob').length === 2")
        assert one.decider.how.thresholds == {LABELS[3]: 0.5, "cat": 0.8}
        browser.value("document.querySelector('#own button').click()")
        browser.until("document.querySelectorAll('#own .knob').length === 1")
        assert one.decider.how.thresholds == {"cat": 0.8}
        assert browser.errors == []


@pytest.mark.slow
def test_nobody_watches_a_page_that_pauses(tmp_path: Path) -> None:
    """Pause ends the stream, and so the encoding; trouble is told in words."""
    with page() as one, tab(tmp_path) as browser:
        with looping(one):
            browser.open(f"http://127.0.0.1:{one.port}/")
            browser.until("document.getElementById('preview')?.naturalWidth === 480")
            browser.value("document.getElementById('pause').click()")
            assert browser.value("document.getElementById('preview').hasAttribute('src')") is False
            end = time.monotonic() + 20
            while one.preview._viewers:
                assert time.monotonic() < end
                time.sleep(0.02)
            before = one.preview.encoded
            time.sleep(0.3)
            assert one.preview.encoded == before
        one.stats.trouble = lambda: "the camera was unplugged"
        browser.until("document.getElementById('state').textContent === 'trouble'")
        assert browser.value("document.getElementById('unwell').textContent") == "no frames: the camera was unplugged"
        assert browser.errors == []


@pytest.mark.slow
def test_it_fits_a_phone_in_the_dark(tmp_path: Path) -> None:
    """Nothing sticks out at 360 pixels, and a user who likes the dark gets it."""
    with page() as one, looping(one), tab(tmp_path) as browser:
        browser.look_like(360, 740, dark=True)
        browser.open(f"http://127.0.0.1:{one.port}/")
        browser.until("document.querySelector('#fps-chart .line') !== null")
        assert browser.value("document.documentElement.scrollWidth <= innerWidth")
        browser.picture(tmp_path / "dark.png")
        with Image.open(tmp_path / "dark.png") as shot:
            pixels = np.asarray(shot.convert("L"))
        assert pixels.shape == (740, 360)
        assert np.median(pixels[:40]) < 40
        browser.look_like(360, 740)
        browser.picture(tmp_path / "light.png")
        with Image.open(tmp_path / "light.png") as shot:
            assert np.median(np.asarray(shot.convert("L"))[:40]) > 220
        assert browser.errors == []


def test_login_in_a_browser(tmp_path: Path) -> None:
    """The form lets in who has the token, and the whole page works by its cookie."""
    token = tmp_path / "token"
    token.write_text("a-token-of-the-test\n")
    token.chmod(0o600)
    with page(page_token=str(token)) as one, looping(one), tab(tmp_path) as browser:
        browser.open(f"http://127.0.0.1:{one.port}/")
        browser.until("document.getElementById('token') !== null")
        browser.errors.clear()  # Chromium notes the 401 of the form itself
        browser.value("document.getElementById('token').value = 'a-token-of-the-test'")
        browser.value("document.querySelector('button').click()")
        browser.until("document.getElementById('state')?.textContent === 'healthy'")
        browser.until("document.getElementById('preview').naturalWidth === 480")
        assert browser.value("document.cookie") == ""
        assert browser.errors == []
