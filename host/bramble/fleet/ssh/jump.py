"""What carries a link to a board: a TCP connection, a ProxyCommand, or the hops of a ProxyJump.

A hop is trusted only by a key that known_hosts has for it: an unknown one is an error that says what to do.
"""

from __future__ import annotations

import re
from contextlib import closing, suppress
from typing import Any

import paramiko

from bramble.errors import HostKeyError, UnreachableError, UsageError
from bramble.fleet.ssh.config import Way, way_to
from bramble.fleet.ssh.keys import KeyRing, authenticate, refusal
from bramble.fleet.ssh.known_hosts import known_hosts
from bramble.fleet.ssh.link import Link, dial, fingerprint, host_key, shake_hands, spawn
from bramble.fleet.ssh.words import words

HOP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?:\[(?P<six>[^\]\s]+)\]|(?P<host>[^@:\s\[\]/]+))(?::(?P<port>[0-9]{1,5}))?/?"
)
FARTHEST = 8


class _Leg:
    """A channel over a hop, used as a socket. To close it says so to the hop, which may be gone by then."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def close(self) -> None:
        """Close the channel."""
        with suppress(paramiko.SSHException, EOFError, OSError):
            self._channel.close()


def carry(link: Link, way: Way, hops: int = 0) -> Any:
    """A socket, or what behaves as one, that leads to the SSH server of ``way``; ``link`` closes it.

    Raises UnreachableError, HostKeyError for a hop whose key is not known, UsageError for a way that does not end.
    """
    if way.proxy_command:
        return spawn(link, way.proxy_command)
    if not way.jumps:
        return dial(link, way.host, way.port, way.connect_s)
    if hops >= FARTHEST:
        raise UsageError(f"{way.alias}: more than {FARTHEST} hops", "does a ProxyJump lead back to itself?")
    *before, last = way.jumps
    transport = _enter(link, _hop(last, before), hops + 1)
    try:
        return _Leg(
            transport.open_channel("direct-tcpip", (way.host, way.port), ("127.0.0.1", 0), timeout=way.connect_s)
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(
            f"{way.host}:{way.port} cannot be reached from the hop {last}: {words(error)}",
            "is the board on? does the hop allow forwarding (AllowTcpForwarding)?",
        ) from error


def _hop(text: str, before: list[str]) -> Way:
    """The way to a hop: over those named before it, else over what the configuration says of it."""
    match = HOP.fullmatch(text)
    port = int(match["port"] or 0) if match else 0
    if match is None or port > 65_535:
        raise UsageError(f"{text!r} is no hop", "write ProxyJump as user@host:port, several with commas")
    return way_to(match["six"] or match["host"], match["user"] or "", port, ",".join(before) if before else None)


def _enter(link: Link, way: Way, hops: int) -> paramiko.Transport:
    """Log in to a hop."""
    known = known_hosts(way.known_hosts, way.known_as)
    name = f"the hop {way.alias}"
    sock = carry(link, way, hops)
    try:
        transport = shake_hands(link, sock, known.kinds, way.connect_s)
        seen = host_key(transport)
        if seen not in known.keys or seen in known.revoked:
            raise _stranger(name, way, seen, known.keys)
        with closing(KeyRing(way)) as ring:
            authenticate(transport, way, ring)
    except paramiko.AuthenticationException as error:
        raise refusal(name, way, error) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(f"{name}: {way.host}:{way.port}: {words(error)}", "check that the hop is up") from error
    return transport


def _stranger(name: str, way: Way, seen: str, known: tuple[str, ...]) -> HostKeyError:
    shown = f"{name}: {way.known_as} shows host key {fingerprint(seen)}"
    if known:
        others = ", ".join(fingerprint(key) for key in known)
        return HostKeyError(
            f"{shown}, known is {others}",
            "someone may be in between; if the hop was set up anew: "
            f"ssh-keygen -R '{way.known_as}', then log in to it once with ssh",
        )
    return HostKeyError(
        f"{shown}, which {way.known_hosts[0] if way.known_hosts else 'known_hosts'} does not have",
        f"log in there once and compare the key: ssh -p {way.port} {way.user}@{way.alias}",
    )
