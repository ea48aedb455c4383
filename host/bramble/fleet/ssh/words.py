"""What the library, the system and the resolver say of a link that failed, in words for a person."""

from __future__ import annotations

import errno
import socket

KNOWN = {
    errno.ECONNREFUSED: "nothing listens there (connection refused)",
    errno.EHOSTUNREACH: "there is no way there (no route to host)",
    errno.ENETUNREACH: "there is no way there (network is unreachable)",
    errno.ETIMEDOUT: "no answer",
    errno.ECONNRESET: "it hung up",
    errno.EPIPE: "it hung up",
}


def words(error: BaseException) -> str:
    """What happened, without numbers and names of classes."""
    if isinstance(error, socket.gaierror):
        return "no machine of this name is known here"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno is not None:
        return KNOWN.get(error.errno) or error.strerror or str(error)
    if isinstance(error, EOFError) and not str(error):
        return "it hung up"
    return str(error) or type(error).__name__
