"""Log in to a board over SSH: by key, and only where the host key is the pinned one."""

from __future__ import annotations

import base64
import binascii
import shlex
from contextlib import closing

import paramiko
from paramiko.pkey import UnknownKeyType

from bramble.errors import HostKeyError, UnreachableError
from bramble.fleet.ssh.config import Way, way_to
from bramble.fleet.ssh.jump import carry
from bramble.fleet.ssh.keys import KeyRing, authenticate, refusal
from bramble.fleet.ssh.known_hosts import Known, known_hosts
from bramble.fleet.ssh.link import Link, fingerprint, host_key, shake_hands
from bramble.fleet.ssh.words import words
from bramble.fleet.types import Board

__all__ = ["fingerprint", "host_key_of", "known_keys", "log_in"]


def host_key_of(host: str, port: int, jump: str = "") -> str:
    """Ask a server for its host key, as "type base64", of a type that known_hosts has for it if it can.

    Nobody logs in, but at the hops on the way. Raises UnreachableError.
    """
    way = _way(Board("", host, port=port, jump=jump))
    link = Link()
    try:
        return host_key(shake_hands(link, carry(link, way), _known(way).kinds, way.connect_s))
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(f"{host}:{port} does not speak SSH: {words(error)}", "check host and port") from error
    finally:
        link.close()


def known_keys(host: str, port: int) -> Known:
    """What the user's known_hosts say of a host."""
    return _known(_way(Board("", host, port=port)))


def log_in(board: Board) -> Link:
    """A link that is logged in to ``board``.

    Raises UnreachableError, HostKeyError where the host key is not the pinned one, UsageError for a useless key file.
    """
    pinned = _pinned(board)
    way = _way(board)
    link = Link()
    try:
        with closing(KeyRing(way, board.key_file)) as ring:
            _enter(link, board, way, pinned, ring)
    except BaseException:
        link.close()
        raise
    return link


def _enter(link: Link, board: Board, way: Way, pinned: str, ring: KeyRing) -> None:
    try:
        sock = carry(link, way)
        link.transport = shake_hands(link, sock, (pinned.partition(" ")[0],), way.connect_s)
        seen = host_key(link.transport)
        if seen != pinned:
            raise _changed(board, seen)
        authenticate(link.transport, way, ring)
    except paramiko.AuthenticationException as error:
        raise refusal(board.name, way, error, board.key_file) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(
            f"{board.name}: {board.address}: {words(error)}", "check that the board is up"
        ) from error


def _way(board: Board) -> Way:
    return way_to(board.host, board.user, board.port, board.jump or None)


def _known(way: Way) -> Known:
    return known_hosts(way.known_hosts, way.known_as)


def _pinned(board: Board) -> str:
    """The board's pinned key. Raises HostKeyError where it is missing or not a key: then nobody is trusted."""
    try:
        kind, key = board.host_key.split()
        usable = paramiko.PKey.from_type_string(kind, base64.b64decode(key, validate=True))
    except (ValueError, binascii.Error, paramiko.SSHException, UnknownKeyType) as error:
        raise HostKeyError(
            f"{board.name}: the pinned host key is not a key that can be used: {board.host_key!r}",
            f"pin the right one: {add_again(board)}",
        ) from error
    return f"{usable.get_name()} {usable.get_base64()}"


def _changed(board: Board, seen: str) -> HostKeyError:
    return HostKeyError(
        f"{board.name}: {board.address} shows host key {fingerprint(seen)}, pinned is {fingerprint(board.host_key)}",
        f"someone may be in between; if the board was set up anew: {add_again(board)}",
    )


def add_again(board: Board, seen: str = "", force: bool = True) -> str:
    """The command that adds a board again as it is, with the fingerprint ``seen``: it can be pasted into a shell."""
    words = ["bramble", "board", "add", board.name, board.address]
    words += ["--key", board.key_file] * bool(board.key_file)
    words += ["--jump", board.jump] * bool(board.jump)
    words += ["--python", board.python] * (
        board.python != "python3" and not board.python.endswith("/.bramble/venv/bin/python")
    )
    words += ["--fingerprint", seen] * bool(seen)
    return shlex.join([*words, *(["--force"] * force)])
