"""What a survey means: named findings, each with what to do next, the worst first."""

from __future__ import annotations

from bramble.fleet import board_findings, python_findings
from bramble.fleet.finding import LEVELS, Finding
from bramble.fleet.survey import Survey

CHECKS = (
    python_findings.userland,
    python_findings.architecture,
    python_findings.python,
    python_findings.python_too_new,
    python_findings.c_libraries,
    python_findings.environments,
    python_findings.runtime,
    board_findings.throttling,
    board_findings.heat,
    board_findings.governor,
    board_findings.clock,
    board_findings.storage,
    board_findings.memory,
    board_findings.cameras,
    board_findings.services,
)


def findings(survey: Survey) -> tuple[Finding, ...]:
    """All findings, problems first; none for a board that is ready."""
    found = [one for check in CHECKS for one in check(survey)]
    return tuple(sorted(found, key=lambda one: LEVELS.index(one.level)))
