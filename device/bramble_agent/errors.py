"""Every way the agent can refuse, as a tree; each says what happened and what to do next.

    AgentError
    ├── BadRequest         the host asked something this agent does not understand
    ├── BundleDamaged      a bundle is missing, cut short, changed, or tries to leave its folder
    ├── BundleTooNew       a bundle of another format version
    ├── RuntimeMissing     no TFLite runtime can be imported here
    ├── ModelRejected      the runtime does not load the model
    ├── OperatorMissing    the runtime lacks an operator (or its version) that the model uses
    ├── StorageFailed      the board could not write (full, read-only)
    ├── CutShort           what was sent ended early, or did not arrive as it was sent
    ├── NotTrusted         a release lacks the signature that this board asks for
    ├── NoRelease          there is no release to go back to
    ├── Busy               somebody else is at work on this board
    ├── CameraMissing      there is no such camera, stream or folder
    ├── CameraBusy         another process holds the camera
    ├── CameraLost         it went away while frames were read
    ├── FrameDamaged       one frame cannot be used
    ├── ActionFailed       what is done with an event failed, and may work later
    └── ActionRefused      it will never work with this event

The host turns ``code`` back into its own error and exit code, so codes are part of the wire contract.
"""


class AgentError(Exception):
    """Base of all refusals; ``code`` travels over the wire, ``hint`` says what to do next."""

    code = "agent"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadRequest(AgentError):
    """The request is not JSON, of another version, or has unknown or missing fields."""

    code = "bad-request"


class BundleDamaged(AgentError):
    """A bundle's files are missing, truncated, altered or unsafe to unpack."""

    code = "bundle-damaged"


class BundleTooNew(AgentError):
    """The bundle's format version is not the one this package reads."""

    code = "bundle-version"


class RuntimeMissing(AgentError):
    """Neither ai-edge-litert nor tflite-runtime can be imported."""

    code = "runtime-missing"


class ModelRejected(AgentError):
    """The TFLite runtime cannot load the model."""

    code = "model-rejected"


class OperatorMissing(AgentError):
    """The TFLite runtime lacks an operator, or the version of it that the model asks for."""

    code = "operator-missing"


class StorageFailed(AgentError):
    """Writing failed: no space left, read-only file system, no permission."""

    code = "storage"


class CutShort(AgentError):
    """The bytes sent ended early or are not those announced; what came whole is kept."""

    code = "cut-short"


class NotTrusted(AgentError):
    """The board has a list of allowed signers, and the bundle's signature is missing or not one of theirs."""

    code = "not-trusted"


class NoRelease(AgentError):
    """There is no earlier release, or it is damaged."""

    code = "no-release"


class Busy(AgentError):
    """Another process holds what this one needs."""

    code = "busy"


class CameraMissing(AgentError):
    """There is no such camera, stream, file or folder, or the library that reads it is not installed."""

    code = "camera-missing"


class CameraBusy(AgentError):
    """Another process holds the camera; the message names it."""

    code = "camera-busy"


class CameraLost(AgentError):
    """The camera or stream went away while frames were read; it may come back."""

    code = "camera-lost"


class FrameDamaged(AgentError):
    """One frame is cut short or cannot be decoded; the next one may be whole. ``origin`` is as a frame's."""

    code = "frame-damaged"

    def __init__(self, message: str, hint: str = "", origin: str = "") -> None:
        super().__init__(message, hint)
        self.origin = origin


class ActionFailed(AgentError):
    """A broker, server or disk did not take an event; later it may, ``after_s`` seconds from now at the earliest."""

    code = "action-failed"

    def __init__(self, message: str, hint: str = "", after_s: float = 0.0) -> None:
        super().__init__(message, hint)
        self.after_s = after_s


class ActionRefused(AgentError):
    """This event will never be taken: trying again is no use."""

    code = "action-refused"
