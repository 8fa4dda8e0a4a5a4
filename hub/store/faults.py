"""What a database may answer instead of doing what it was asked, as the rest of the hub hears of it."""

from __future__ import annotations

from pathlib import Path


class StoreUnavailable(Exception):
    """The database cannot be reached or refuses to write now; nothing was changed."""


class Collision(Exception):
    """Another transaction took, at the same moment, what must be unique; nothing was changed; do it again."""


FASTER = "somebody else changed the same thing just now"
"""A Collision, in words for whoever asked for the change."""


def make_room(path: str) -> None:
    """Makes the folder of a SQLite file. Raises StoreUnavailable."""
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise StoreUnavailable(f"the folder {folder} cannot be made: {e.strerror}") from None
