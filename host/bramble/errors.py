"""Every way the host can fail, as a tree; each says what happened, and in ``hint`` what to do next.

    BrambleError                        exit 1
    ├── UsageError                      exit 2   what the user gave cannot be used
    │   ├── RecipeError                          a recipe: file, line or key, nearest valid key
    │   ├── DataError                            a data set: not there, damaged, too small
    │   └── BundleError                          a bundle: missing, truncated, altered, unsafe
    ├── StorageError                    exit 1   no space left, read-only, no permission
    ├── TrainingDiverged                exit 1   the loss became NaN or infinite
    ├── UnreachableError                exit 5   no route, refused, timed out, died mid-answer
    │   ├── HostKeyError                         unknown or changed host key
    │   ├── NotTrustedError                      the board asks for a signature that the bundle lacks
    │   └── BoardBusyError                       somebody else is at work there
    ├── RolledBackError                 exit 7   a release failed on a board; the one before is current again
    └── IncompatibleError               exit 6   board and model do not fit
        └── AuditError                           the converted model is not what its scheme promises

Verdicts are not errors: a missed budget exits 3, an undecided one 4 (see ``bramble.report.verdict``).
"""

from __future__ import annotations


class BrambleError(Exception):
    """Base of everything the host raises on purpose."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BrambleError):
    """What the user gave cannot be used."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe cannot be read or cannot work."""


class DataError(UsageError):
    """A data set is missing, damaged or too small."""


class BundleError(UsageError):
    """A bundle is missing, truncated, altered or unsafe."""


class StorageError(BrambleError):
    """Writing failed."""


class TrainingDiverged(BrambleError):
    """The loss became NaN or infinite."""


class UnreachableError(BrambleError):
    """A board cannot be reached, refuses, or stops in the middle of an answer."""

    exit_code = 5


class HostKeyError(UnreachableError):
    """A board's SSH host key is unknown, or is not the pinned one."""


class NotTrustedError(UnreachableError):
    """A board refuses a bundle that lacks a signature it trusts."""


class BoardBusyError(UnreachableError):
    """Somebody else is at work on a board."""


class CameraError(UnreachableError):
    """A board's camera is missing, went away, or what is to be done with its events fails."""


class RolledBackError(BrambleError):
    """A release failed on a board after the switch; the one before is current again."""

    exit_code = 7


class IncompatibleError(BrambleError):
    """Board and model do not fit together."""

    exit_code = 6


class AuditError(IncompatibleError):
    """The converted model is not what its scheme promises."""


_OF_AGENT = {
    "bundle-damaged": BundleError,
    "bundle-version": BundleError,
    "runtime-missing": IncompatibleError,
    "model-rejected": IncompatibleError,
    "operator-missing": IncompatibleError,
    "bad-request": IncompatibleError,
    "storage": StorageError,
    "cut-short": UnreachableError,
    "not-trusted": NotTrustedError,
    "no-release": UsageError,
    "busy": BoardBusyError,
    "camera-missing": CameraError,
    "camera-busy": BoardBusyError,
    "camera-lost": CameraError,
    "frame-damaged": CameraError,
    "action-failed": CameraError,
    "action-refused": CameraError,
}


def from_agent(code: str, message: str, hint: str) -> BrambleError:
    """The host's error for one of the agent's codes; an unknown code is a crash of the agent."""
    return _OF_AGENT.get(code, BrambleError)(message, hint)
