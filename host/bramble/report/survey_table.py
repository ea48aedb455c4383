"""A survey on a terminal: facts in groups, then the findings, each with what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bramble.fleet.findings.finding import Finding
from bramble.fleet.probe.survey import Interpreter, Survey
from bramble.report.units import duration, si

MARKS = {"problem": ("✗", "red"), "warning": ("!", "yellow"), "info": ("·", "cyan")}
TELLING = (  # CPU features that decide how fast a model runs
    "neon",
    "vfpv4",
    "asimd",
    "asimdhp",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
    "sve2",
    "sse4_1",
    "avx2",
    "fma",
    "avx512_vnni",
    "avx_vnni",
    "rvv",
)
SUDO = {"root": "", "free": "sudo without password", "password": "sudo with password", "": "no sudo"}
THROTTLE_BITS = {0: "under-voltage", 1: "capped", 2: "throttled", 3: "heat limit"}

Row = tuple[str, str]


def render_survey(title: str, survey: Survey, found: Sequence[Finding]) -> RenderableType:
    """A board's facts and findings as something rich prints; ``title`` is what people call it."""
    heading = Text.assemble("\n", (title, "bold"), f" · {survey.model}" if survey.model else "")
    return Group(heading, _facts(survey), *_findings(found))


def _facts(survey: Survey) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    groups = (
        ("board", _board(survey)),
        ("system", _system(survey)),
        ("pythons", [_python(one) for one in survey.pythons] or [("none", "")]),
        ("devices", _devices(survey)),
        ("release", [("current", survey.current or "none"), ("previous", survey.previous or "none")]),
    )
    for group, rows in groups:
        table.add_row()
        for number, (name, value) in enumerate(rows):
            table.add_row("" if number else group, name, Text(value))
    return table


def _board(survey: Survey) -> list[Row]:
    cores = f"{survey.cores} cores" if survey.cores and "×" not in survey.cpu else ""
    speed = _speed(survey)
    rows = [
        ("chip", survey.soc),
        ("processor", _list(survey.cpu, cores)),
        ("features", " ".join(one for one in TELLING if one in survey.cpu_features)),
        ("clock rate", _list(speed, survey.governor and f"governor {survey.governor}")),
        ("temperature", "" if survey.temp_c is None else f"{survey.temp_c:.1f} °C"),
        ("throttling", _throttling(survey.throttled_bits)),
        ("memory", _of(survey.memory_available_bytes, "available", survey.memory_bytes)),
        ("disk", _of(survey.disk_free_bytes, "free", None)),
    ]
    return [row for row in rows if row[1]]


def _system(survey: Survey) -> list[Row]:
    libraries = _list(survey.libc, survey.libstdcxx and f"libstdc++ {survey.libstdcxx}")
    rows = [
        ("name", survey.hostname),
        ("system", survey.system),
        ("built for", f"{survey.userland or 'unknown'} userland, {survey.machine or 'unknown'} kernel {survey.kernel}"),
        ("C libraries", libraries),
        ("user", _list(survey.user, SUDO[survey.sudo])),
        ("services", "systemd" if survey.systemd else "no systemd"),
        ("clock", _clock(survey.clock_skew_s)),
    ]
    return [row for row in rows if row[1]]


def _python(one: Interpreter) -> Row:
    parts = [
        f"{one.path} (used)" if one.named else one.path,
        f"{one.bits} bit" if one.bits != 64 else "",
        "environment" if one.environment else "",
        f"numpy {one.numpy}" if one.numpy else "no numpy",
        f"Pillow {one.pillow}" if one.pillow else "",
        *(one.runtimes or ("no runtime",)),
        "" if one.venv else "no venv",
    ]
    return one.version, _list(*parts)


def _devices(survey: Survey) -> list[Row]:
    cameras = [("camera" if not number else "", name) for number, name in enumerate(survey.cameras)]
    return [*(cameras or [("camera", "none found")]), ("sensors", ", ".join(survey.sensors) or "none found")]


def _findings(found: Sequence[Finding]) -> list[RenderableType]:
    if not found:
        return [Text.assemble("\n", ("✓ nothing to complain about", "green"), "\n")]
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        mark, style = MARKS[one.level]
        table.add_row(Text(mark, style=style), Text.assemble((one.name, style), f"  {one.said}"))
        table.add_row("", _advice(one.what_to_do))
    return [Text(), table, Text(f"\n{_counts(found)}\n")]


def _advice(text: str) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text("→", style="dim"), Text(text, style="dim"))
    return table


def _counts(found: Sequence[Finding]) -> str:
    words = {"problem": "problem", "warning": "warning", "info": "note"}
    counts = [(sum(one.level == level for one in found), word) for level, word in words.items()]
    return ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count)


def _speed(survey: Survey) -> str:
    if survey.freq_khz is None or survey.freq_max_khz is None:
        return ""
    return f"{survey.freq_khz / 1000:.0f} of {survey.freq_max_khz / 1000:.0f} MHz"


def _throttling(bits: int | None) -> str:
    """The bits in words; "" where the board does not tell."""
    if bits is None:
        return ""
    told = [f"{word} now" for bit, word in THROTTLE_BITS.items() if bits >> bit & 1]
    told += [f"{word} since boot" for bit, word in THROTTLE_BITS.items() if bits >> bit & 0x10001 == 0x10000]
    return ", ".join(told) or "none since boot"


def _clock(skew: float | None) -> str:
    if skew is None:
        return ""
    if abs(skew) < 2.0:
        return "in step with this machine's"
    return f"{duration(abs(skew))} {'behind' if skew < 0 else 'ahead of'} this machine's"


def _of(part: int | None, word: str, whole: int | None) -> str:
    told = si(part, "B") + f" {word}" if part is not None else ""
    return f"{si(whole, 'B')}, {told}" if whole is not None and told else si(whole, "B") if whole is not None else told


def _list(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
