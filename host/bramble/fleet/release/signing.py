"""Sign a bundle's manifest with the user's SSH key: boards that list allowed signers take no other bundle.

OpenSSH does it (``ssh-keygen -Y sign``): keys in files, behind a passphrase, in an agent, or on a token.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from posixpath import join

from bramble.errors import UsageError
from bramble.fleet.ask import REMOVE, upload
from bramble.fleet.types import Board, Connection
from bramble_agent.bundle import MANIFEST, Bundle

NAMESPACE = "bramble-bundle"
FILE = "allowed_signers"


def signed(bundle: Bundle, key: Path | None) -> str:
    """The signature of a bundle's manifest, "" without a key. Raises UsageError where the key cannot sign."""
    return sign(bundle.read(MANIFEST), key) if key else ""


def sign(manifest: bytes, key: Path) -> str:
    """The armoured signature of a manifest by a private key (or, for a key in an agent, its public half).

    Raises UsageError where the key cannot sign.
    """
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(key.expanduser())]
    try:
        done = subprocess.run(command, input=manifest, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UsageError("there is no ssh-keygen here to sign with", "sudo apt install openssh-client") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(
            f"{key} cannot sign: {said[-1] if said else 'ssh-keygen says no'}", "give a private SSH key: --sign KEY"
        )
    return done.stdout.decode()


def allow_signers(connection: Connection, board: Board, signers: Path) -> int:
    """Make a file of allowed signers the board's: from now on it takes bundles that one of them signed, no others.

    How many they are. Raises UsageError for a file that OpenSSH would not read so, and what ``upload`` raises.
    """
    try:
        lines = [line.split() for line in signers.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{signers} cannot be read: {error}", "see ssh-keygen(1), ALLOWED SIGNERS") from error
    entries = [words for words in lines if words and not words[0].startswith("#")]
    if not entries or not all(any(word.startswith(("ssh-", "ecdsa-", "sk-")) for word in words) for words in entries):
        raise UsageError(
            f"{signers} is not a file of allowed signers",
            'a line each: NAME namespaces="bramble-bundle" ssh-ed25519 AAAA… (see ssh-keygen(1), ALLOWED SIGNERS)',
        )
    upload(connection, board, signers, join(connection.root, FILE))
    return len(entries)


def allow_anybody(connection: Connection, board: Board) -> None:
    """Let the board take unsigned bundles again. Raises as ``Connection.run`` does."""
    connection.run([board.python, "-c", REMOVE, join(connection.root, FILE)], b"", 30.0)
