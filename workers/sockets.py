"""The socket of the embedded Redis, derived from the data folder, so that every process of the hub finds it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

LONGEST_SOCKET = 100
"""Characters; the system's limit for the path of a unix socket is 108, on some systems 104."""


def socket_path(data_dir: Path) -> Path:
    """In the data folder or, where that path is too long for a socket, in a folder of the temporary directory."""
    near = data_dir / "redis" / "redis.sock"
    if len(os.fsencode(near)) <= LONGEST_SOCKET:
        return near
    short = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lockstep-{os.getuid()}-{short}" / "redis.sock"


def url(data_dir: Path) -> str:
    """The address of the embedded Redis of this data folder."""
    return f"unix://{socket_path(data_dir)}?db=0"
