"""Numbers as a person reads them: 8.6 µs, 15.8 kB, 92.50 %. Decimal prefixes throughout."""

from __future__ import annotations

PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
DASH = "–"


def si(value: float | None, unit: str) -> str:
    """Three significant digits with an SI prefix; a dash for None."""
    if value is None:
        return DASH
    if value == 0:
        return f"0 {unit}"
    factor, prefix = next((row for row in PREFIXES if abs(value) >= row[0] * 0.9995), PREFIXES[-1])
    scaled = value / factor
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0  # 9.996 is shown as 10.0
    if unit == "B" and prefix == "":
        digits = 0
    return f"{scaled:.{digits}f} {prefix}{unit}"


def milliseconds(value: float | None) -> str:
    """A time given in ms, with the prefix that fits."""
    return si(None if value is None else value / 1e3, "s")


def percent(share: float | None) -> str:
    """A share as per cent with two decimals."""
    return DASH if share is None else f"{share * 100:.2f} %"


def duration(seconds: float) -> str:
    """A length of time in the unit that fits: "3 min", "5.2 h", "55.8 years"."""
    for unit, size in (("years", 365.25 * 86_400), ("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.{0 if unit == 'min' else 1}f} {unit}"
    return f"{seconds:.1f} s"


def budget_value(name: str, value: float | None) -> str:
    """A value of a budget line in the unit its name carries."""
    if name == "accuracy":
        return percent(value)
    if name.endswith("_bytes"):
        return si(value, "B")
    if name.endswith("_ms"):
        return milliseconds(value)
    if name == "joules_per_inference":
        return si(value, "J")
    return DASH if value is None else f"{value:g}"


def budget_name(name: str) -> str:
    """A budget line's name for people: p95_ms is "p95 latency"."""
    if name.endswith("_ms"):
        return f"{name.removesuffix('_ms')} latency"
    return name.removesuffix("_bytes").replace("_", " ").replace("joules per", "energy per").replace("rss", "memory")


def budget_sign(name: str) -> str:
    """How the value must stand to the limit."""
    return "≥" if name == "accuracy" else "≤"
