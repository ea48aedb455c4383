"""Ask OpenSSH whether a manifest was signed by one of those this board trusts.

A board with a file ``<root>/allowed_signers`` (format: ssh-keygen(1), ALLOWED SIGNERS) takes no release without a
signature of one of them, made by ``ssh-keygen -Y sign -n bramble-bundle``. Without that file nothing is asked.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from .errors import NotTrusted
from .files import write_whole

NAMESPACE = "bramble-bundle"
PATIENCE_S = 30.0


def check_signature(root: Path, manifest: bytes, signature: str) -> str:
    """Who signed the manifest; "" where the board asks for no signature. Raises NotTrusted.

    A signature that was good is kept, so that it need not be brought again; who is no longer allowed loses it.
    """
    allowed = root / "allowed_signers"
    kept = root / "signatures" / f"{hashlib.sha256(manifest).hexdigest()}.sig"
    if not os.path.lexists(allowed):  # a link that leads nowhere trusts nobody, not everybody
        return ""
    if not signature and not kept.exists():
        raise NotTrusted("this board takes signed bundles only", "push with --sign KEY")
    armoured = signature.encode(errors="replace") or kept.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.json.sig"
        path.write_bytes(armoured)
        found = _ssh_keygen(["find-principals", "-s", str(path), "-f", str(allowed)], manifest)
        signer = found.partition("\n")[0].partition(",")[0].strip()  # older ones print a line's whole list
        _ssh_keygen(["verify", "-n", NAMESPACE, "-s", str(path), "-f", str(allowed), "-I", signer], manifest)
    if not kept.exists() or kept.read_bytes() != armoured:
        kept.parent.mkdir(exist_ok=True)
        write_whole(kept, armoured)
    return signer


def _ssh_keygen(words: list[str], manifest: bytes) -> str:
    try:
        done = subprocess.run(
            ["ssh-keygen", "-Y", *words], input=manifest, capture_output=True, check=False, timeout=PATIENCE_S
        )
    except FileNotFoundError as error:
        raise NotTrusted(
            "this board asks for signatures and has no ssh-keygen to check them", "sudo apt install openssh-client"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise NotTrusted("ssh-keygen did not answer", "try again") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise NotTrusted(
            f"the bundle's signature is not one this board trusts: {said[-1] if said else 'ssh-keygen says no'}",
            "sign with a key that is in the board's allowed_signers",
        )
    return done.stdout.decode(errors="replace")
