"""What a survey means: named findings, each with what to do next, the worst first."""

from __future__ import annotations

from bramble.fleet.findings import board, python
from bramble.fleet.findings.finding import LEVELS, Finding
from bramble.fleet.probe.survey import Survey

CHECKS = (
    python.userland,
    python.architecture,
    python.python,
    python.python_too_new,
    python.c_libraries,
    python.environments,
    python.runtime,
    python.pictures,
    board.throttling,
    board.heat,
    board.governor,
    board.clock,
    board.storage,
    board.memory,
    board.cameras,
    board.services,
)


def findings(survey: Survey) -> tuple[Finding, ...]:
    """All findings, problems first; none for a board that is ready."""
    found = [one for check in CHECKS for one in check(survey)]
    return tuple(sorted(found, key=lambda one: LEVELS.index(one.level)))
