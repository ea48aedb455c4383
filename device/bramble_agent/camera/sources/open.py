"""From a URL-like string to a source.

picamera2:0                      a camera on the CSI connector      ?fps= &size=
v4l2:/dev/video0, /dev/video0    a USB camera                       ?size= &fps= &format=
rtsp://… http://… https://…      a stream on the network
file:PATH                        a video, or one picture            ?loop=1
folder:PATH                      the pictures of a folder           ?loop=1
synthetic:                       computed frames                    ?size= &fps= &frames= &seed= &layout=
"""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING

from ...errors import BadRequest
from . import picamera2, synthetic, v4l2
from .folder import Folder, is_picture
from .options import Options, nearest, split
from .stream import Stream, file_video, network_video

if TYPE_CHECKING:
    from ...wire import Pixels
    from ..frame import Source

SCHEMES = ("picamera2", "v4l2", "rtsp", "http", "https", "file", "folder", "synthetic")
NETWORK = ("rtsp", "rtsps", "http", "https")


def source(text: str, wanted: Pixels) -> Source:
    """The source that ``text`` names, not open yet, for a model that wants such pictures. Raises BadRequest."""
    scheme, colon, behind = text.partition(":")
    if text.startswith("/dev/video"):
        scheme, behind = "v4l2", text
    elif not colon:
        raise BadRequest(f"{text!r} is no source", _hint(text))
    if scheme in NETWORK:
        if not re.match(r"//[^/]+", behind):
            raise BadRequest(f"{scheme}: needs an address", f"{scheme}://HOST/PATH")
        return Stream(network_video(text))
    if scheme not in SCHEMES:
        raise BadRequest(f"there is no kind of source {scheme!r}", nearest(scheme, SCHEMES))
    place, options = split(behind)
    if scheme in ("file", "folder"):
        return _of_files(scheme, place, Options.read(options, ("loop",), text), wanted)
    if scheme == "synthetic":
        planned = functools.partial(synthetic.plan, Options.read(options, synthetic.KNOWN, text))
        return synthetic.Synthetic(planned(wanted), planned)
    if scheme == "v4l2":
        if not place:
            raise BadRequest("v4l2: needs a device", "v4l2:/dev/video0")
        return v4l2.V4l2(place, wanted, v4l2.wish(Options.read(options, v4l2.KNOWN, text)))
    return _pi_camera(place, Options.read(options, picamera2.KNOWN, text), wanted)


def _of_files(scheme: str, place: str, options: Options, wanted: Pixels) -> Source:
    if not place:
        raise BadRequest(f"{scheme}: needs a path", f"{scheme}:/home/pi/PATH")
    if scheme == "folder" or is_picture(place):
        return Folder(place, wanted, options.flag("loop"))
    return Stream(file_video(place, options.flag("loop")))


def _pi_camera(place: str, options: Options, wanted: Pixels) -> Source:
    if not re.fullmatch(r"\d{0,2}", place):
        raise BadRequest(f"picamera2:{place} names no camera", "cameras are numbered: picamera2:0")
    size = options.size("size", (1, 1)) if "size" in options.given else (0, 0)
    return picamera2.PiCamera(picamera2.Wish(int(place or 0), options.rate("fps"), size), wanted)


def _hint(text: str) -> str:
    if "/" in text or "." in text or os.path.exists(text):
        return f"a path is file:{text} (a video) or folder:{text} (pictures)"
    return nearest(text, [f"{scheme}:" for scheme in SCHEMES])
