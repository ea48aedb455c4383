"""A frame, and what every source of frames is.

Times are ``time.monotonic_ns``: a clock that is set anew does not make frames older or younger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Sequence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..wire import Pixels

LAYOUTS = ("rgb", "bgr", "gray", "yuyv", "nv12", "yu12", "jpeg")
COLOURS = ("601", "601-full", "709", "709-full")


@dataclass(frozen=True)
class Format:
    """How a source's raw frames are laid out: size in pixels, and one of LAYOUTS.

    ``stride`` is the bytes of a row of the first plane (0: no padding); the planes of "nv12" share it, those of "yu12"
    have half of it for U and V. "jpeg" frames have any number of bytes. ``colours`` is what Y, U and V mean: BT.601 or
    BT.709, "-full" where they use 0..255 and not 16..235 (other layouts do not look at it).
    """

    width: int
    height: int
    layout: str
    stride: int = 0
    colours: str = "601"


@dataclass
class Frame:
    """One frame as it came. ``raw`` (uint8, flat) may be the source's own buffer: it is valid until the next read.

    ``taken_ns`` is when the sensor took it, never in the future; where the source cannot say, when it arrived.
    ``wish`` is of ``wishes``; a source leaves it alone. ``origin`` is the name of the picture's file ("": none).
    """

    number: int
    raw: NDArray[Any]
    format: Format
    taken_ns: int
    wish: int = 0
    origin: str = ""


class Source(Protocol):
    """Where frames come from. One thread opens, reads and closes it."""

    live: bool
    """Live: frames that nobody had time for are gone. Else every frame is given, as late as it is asked for."""

    def open(self) -> Format:
        """Take hold of it. Raises CameraMissing, CameraBusy (naming the holder) or BadRequest, with what to do."""

    def read(self) -> Frame | None:
        """The next frame, waited for at most a few seconds; None at the end of a source that ends.

        Raises FrameDamaged for one frame that cannot be used (the next one may be), CameraLost where it went away.
        """

    def want(self, wanted: Sequence[Pixels]) -> None:
        """From the next frame on they must serve models of all these pictures, each with one resize at most.

        Open or not. Numbers may begin anew. Raises what opening raises, where it had to be opened anew for that.
        """

    def close(self) -> None:
        """Let go of it; never raises, also where it went away."""
