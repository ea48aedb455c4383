"""The agent as one small zip of pure Python, reproducible and named by its sha256.

So host and agent can never be of different versions, and a board needs no pip for our code: ``python3 <zip>`` runs it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib import resources

EPOCH = (1980, 1, 1, 0, 0, 0)
MAIN = "import sys\nfrom bramble_agent.__main__ import main\nsys.exit(main())\n"


@dataclass(frozen=True)
class AgentZip:
    """The zip's bytes and their sha256."""

    data: bytes
    digest: str


@cache
def agent_zip() -> AgentZip:
    """Pack the agent that is installed beside this host."""
    package = resources.files("bramble_agent")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for entry in sorted(package.iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                name = zipfile.ZipInfo(f"bramble_agent/{entry.name}", EPOCH)
                archive.writestr(name, entry.read_bytes(), zipfile.ZIP_DEFLATED, 9)
        archive.writestr(zipfile.ZipInfo("__main__.py", EPOCH), MAIN)
    data = held.getvalue()
    return AgentZip(data, hashlib.sha256(data).hexdigest())
