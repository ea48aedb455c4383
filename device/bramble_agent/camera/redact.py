"""Passwords out of what is shown: sources, brokers and hooks are URLs, and people write passwords into those."""

from __future__ import annotations

import math
import re
from typing import Any

PASSWORD = re.compile(r"(://[^/\s@:]*):[^/\s]*@")
SECRET = re.compile(
    r"(?i)\b((?:api[-_]?key|access[-_]?token|token|key|password|passwd|secret|auth|sig|signature)=)[^&\s,'\"]+"
)


def redacted(text: str) -> str:
    """The text without passwords: of "scheme://user:password@host", and of parameters that are called so."""
    return SECRET.sub(r"\1…", PASSWORD.sub(r"\1:…@", text))


def without_secrets(value: Any) -> Any:
    """JSON with every text redacted, and null for what JSON has no number for."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: without_secrets(one) for key, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [without_secrets(one) for one in value] if isinstance(value, (list, tuple)) else value
