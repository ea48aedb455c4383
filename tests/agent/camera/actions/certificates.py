"""An authority of our own and a certificate for localhost, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def authority(folder: Path) -> tuple[Path, Path, Path]:
    """Files of the authority, of the server's certificate and of its key; skips without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    ca, ca_key, cert, key = (folder / name for name in ("ca.pem", "ca.key", "cert.pem", "cert.key"))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]

    def make(*options: str | Path) -> None:
        subprocess.run([openssl, "req", "-x509", *curve, *options], check=True, capture_output=True)

    make("-subj", "/CN=Tests", "-keyout", ca_key, "-out", ca, "-addext", "keyUsage=critical,keyCertSign")
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    make("-subj", "/CN=localhost", "-CA", ca, "-CAkey", ca_key, "-keyout", key, "-out", cert, *names)
    return ca, cert, key
