"""What a look at a board found worth telling, and the words that several findings share."""

from __future__ import annotations

from dataclasses import dataclass

from bramble.fleet.probe.survey import Survey

LEVELS = ("problem", "warning", "info")
INSTALLERS = {"apt-get": "apt install", "apk": "apk add", "dnf": "dnf install", "opkg": "opkg install"}


@dataclass(frozen=True)
class Finding:
    """``level`` is "problem" (no model can run or be brought there), "warning" (results, service suffer) or "info"."""

    name: str
    level: str
    said: str
    what_to_do: str


def install(survey: Survey, debian: str, others: str = "") -> str:
    """The line that installs packages on this board: by their names on Debian, or on ``others``."""
    tool = next((tool for tool in INSTALLERS if tool in survey.tools), "apt-get" if "dpkg" in survey.tools else "")
    packages = debian if tool == "apt-get" else others or debian
    if not tool:
        return f"install {packages} with the board's package manager"
    if survey.sudo == "root":
        return f"{INSTALLERS[tool]} {packages}"
    return f"sudo {INSTALLERS[tool]} {packages}" if survey.sudo else f"as root: {INSTALLERS[tool]} {packages}"
