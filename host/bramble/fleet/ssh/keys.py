"""The user's keys: the one named for a board, those of the agent and of the configuration; and to log in with them.

A passphrase is asked for once, on the terminal, and kept nowhere; only the opened key is, in memory, until we end.
"""

from __future__ import annotations

import base64
import binascii
import functools
import getpass
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from bramble.errors import UnreachableError, UsageError
from bramble.fleet.ssh.config import Way
from bramble.fleet.ssh.words import words

NO_KEY = "no key to try"
DEFAULTS = ("id_ed25519", "id_ecdsa", "id_rsa")


class KeyRing:
    """The keys to try for one way, in ssh's order: named ones that the agent holds, the agent's others, files.

    A key file that was named for the board (``key_file``) is the only one, and is read at once. ``skipped`` says of
    other files why they were not tried.
    """

    def __init__(self, way: Way, key_file: str = "") -> None:
        """Raises UsageError where the named key cannot be used."""
        self.skipped: list[str] = []
        self._only = bool(key_file) or way.identities_only
        self._named = [Path(key_file)] if key_file else [Path(name).expanduser() for name in way.identities]
        self._agent = _agent()
        self._held = {key.asbytes(): key for key in self._agent.get_keys()} if self._agent else {}
        if key_file and _public(Path(key_file)) not in self._held:
            try:
                _read(Path(key_file))
            except UsageError:
                self.close()
                raise

    def candidates(self) -> Iterator[paramiko.PKey]:
        """One key after the other; a file is opened only when it is its turn."""
        held = dict(self._held)
        offered = {blob: held.pop(blob) for blob in map(_public, self._named) if blob in held}
        yield from offered.values()
        if not self._only:
            yield from held.values()
            offered |= held
        for path in self._named or [Path.home() / ".ssh" / name for name in DEFAULTS]:
            if path.suffix != ".pub" and path.exists() and _public(path) not in offered:
                try:
                    yield _read(path)
                except UsageError as error:
                    self.skipped.append(error.message)

    def close(self) -> None:
        """Let go of the agent."""
        if self._agent:
            self._agent.close()


def _agent() -> paramiko.Agent | None:
    try:
        return paramiko.Agent()
    except (paramiko.SSHException, OSError, EOFError):
        return None  # what answers there is no agent


def authenticate(transport: paramiko.Transport, way: Way, ring: KeyRing) -> None:
    """Log in with the first key of the ring that is accepted. Raises AuthenticationException."""
    refused = 0
    for key in ring.candidates():
        try:
            more = transport.auth_publickey(way.user, key)
        except paramiko.BadAuthenticationType:
            raise
        except paramiko.SSHException as error:
            refused += 1
            if transport.is_active():
                continue
            raise paramiko.AuthenticationException(f"it hung up after {_keys(refused)}: {error}") from error
        if transport.is_authenticated():
            return
        raise paramiko.AuthenticationException(f"a key is not enough, it also asks for: {', '.join(more)}")
    tried = f"{_keys(refused)} refused" if refused else NO_KEY
    raise paramiko.AuthenticationException("; ".join([tried, *ring.skipped]))


def refusal(name: str, way: Way, error: Exception, key_file: str = "") -> UnreachableError:
    """The error for a login that was refused; the hint makes a key, teaches the server ours, or unlocks one."""
    named = f"-i {shlex.quote(key_file)}.pub " if key_file else ""
    advice = f"put your public key there once: ssh-copy-id {named}-p {way.port} {way.user}@{way.alias}"
    if str(error) == NO_KEY:
        advice = f"make a key: ssh-keygen -t ed25519; then {advice}"
    if "passphrase" in str(error):
        advice = f"ssh-add, then again; or {advice}"
    return UnreachableError(f"{name}: {way.user}@{way.alias}:{way.port} refuses the login: {error}", advice)


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count} keys"


def _public(path: Path) -> bytes:
    """The public half of a key file, from the file beside it; empty where there is none."""
    beside = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    try:
        return base64.b64decode(beside.read_text(encoding="utf-8").split()[1], validate=True)
    except (OSError, UnicodeDecodeError, IndexError, binascii.Error):
        return b""


def _read(path: Path) -> paramiko.PKey:
    """The private key of a file; its certificate beside it (-cert.pub) goes with it. Raises UsageError."""
    try:
        return paramiko.PKey.from_path(path)
    except TypeError:
        return _unlocked(path)
    except (OSError, ValueError, paramiko.SSHException, UnknownKeyType) as error:
        raise UsageError(
            f"{path} is not a private key that can be used: {words(error)}", "see `ssh-keygen -t ed25519`"
        ) from error


@functools.cache
def _unlocked(path: Path) -> paramiko.PKey:
    """A key that has a passphrase: asked for where a person sits at a terminal, once for as long as we run."""
    add = f"ssh-add {path}"
    if not sys.stdin.isatty():
        raise UsageError(f"the key {path} has a passphrase", f"{add}: your agent then answers")
    phrase = getpass.getpass(f"Passphrase for {path}: ")
    try:
        return paramiko.PKey.from_path(path, phrase.encode())  # type: ignore[arg-type]  # the stubs are wrong
    except (TypeError, ValueError, paramiko.SSHException, UnknownKeyType) as error:
        raise UsageError(f"this passphrase does not open {path}", f"again, or {add}") from error
