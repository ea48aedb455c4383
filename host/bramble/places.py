"""Where Bramble keeps what is the user's: the inventory of boards, and this machine's own releases as board ``local``.

``$BRAMBLE_HOME`` replaces both; otherwise the system's usual folders are used.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def config_dir() -> Path:
    """The folder of boards.toml."""
    return _home() or Path(platformdirs.user_config_dir("bramble"))


def cache_dir() -> Path:
    """What may be removed at any time: wheels for boards, models that were pushed."""
    home = _home()
    return home / "cache" if home else Path(platformdirs.user_cache_dir("bramble"))


def local_board_dir() -> Path:
    """What ``~/.bramble`` is on a real board, for the board ``local``."""
    return (_home() or Path(platformdirs.user_data_dir("bramble"))) / "local-board"


def _home() -> Path | None:
    value = os.environ.get("BRAMBLE_HOME")
    return Path(value) if value else None
