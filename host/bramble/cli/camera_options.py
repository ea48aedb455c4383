"""The options that the camera's verbs share, each written once."""

from __future__ import annotations

from typing import Annotated

import typer

from bramble.cli.options import complete_boards

BoardName = Annotated[
    str, typer.Argument(help="A board: its name or user@host; local is this machine.", autocompletion=complete_boards)
]
Name = Annotated[str, typer.Option("--name", help="The loop's name, where a board has several.")]
Source = Annotated[
    str,
    typer.Option(
        "--source",
        metavar="URL",
        help="picamera2:0, v4l2:/dev/video0, rtsp://…, http://…, file:VIDEO, folder:DIR, synthetic:",
    ),
]
Actions = Annotated[
    list[str] | None,
    typer.Option(
        "--on",
        "--action",
        metavar="ACTION",
        help="What is done with each event; may be given often: jsonl:FILE, mqtt://HOST/TOPIC, https://HOST/PATH, "
        "gpio:PIN, snapshot:DIR, command:PROGRAM. Places are on the board. Behind ?, with & between: label=L, "
        "what=seen or gone, and what the kind knows, as in command:/bin/logger?arg=-t&arg=door.",
    ),
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option("--threshold", metavar="[LABEL=]SCORE", help="From which score a label is seen; may be given often."),
]
Fps = Annotated[float | None, typer.Option("--fps", min=0.001, help="A steady rate; as fast as it goes if not given.")]
Every = Annotated[int, typer.Option("--every", min=1, metavar="N", help="Look at every N-th frame.")]
Motion = Annotated[
    float, typer.Option("--motion", min=0, max=1, help="Skip frames where less than this share of the picture changed.")
]
Smooth = Annotated[
    float, typer.Option("--smooth", min=0, max=0.999, help="The share of a score that stays from frame to frame.")
]
Hold = Annotated[
    int, typer.Option("--hold", min=1, metavar="N", help="A label is seen or gone after N frames running.")
]
Cpu = Annotated[
    int,
    typer.Option("--cpu", min=0, metavar="PERCENT", help="Of one core, at most: it looks less often. 0: no cap."),
]
Page = Annotated[
    str,
    typer.Option("--page", metavar="HOST:PORT", help="Where on the board its live page is; port 0 is any; or off."),
]
Deadline = Annotated[
    float | None,
    typer.Option("--deadline", min=0.001, metavar="MS", help="Do not look at live frames older than this."),
]
