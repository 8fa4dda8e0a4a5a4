"""A connection's vocabulary: the vendor's packaged tables (`vocabularies/<vendor>.toml`), overlaid by its own.

A file has one key for each field: `status = [["triggered", "To Do"], ...]`, our word first. A connection's own table
for a field (`[vocabulary.<connection>]` in `lockstep.toml`) replaces the packaged one as a whole, so that the table in
force can be read in one place. The adapter, which knows the vendor's words, checks the tables for gaps.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("vocabularies")

Tables = dict[str, list[list[Any]]]
"""field → pairs [our word, their word]."""


class BadTable(ValueError):
    """A packaged table is not a list of pairs. The text names the file and the field."""


@cache
def _packaged(vendor: str, folder: Path) -> Tables:
    path = folder / f"{vendor}.toml"
    if not path.is_file():
        return {}
    tables: Tables = {}
    for name, pairs in tomllib.loads(path.read_text(encoding="utf-8")).items():
        if not isinstance(pairs, list) or any(not isinstance(pair, list) or len(pair) != 2 for pair in pairs):
            raise BadTable(f"{path.name}: {name} must be a list of pairs [our word, their word]")
        tables[name] = pairs
    return tables


def packaged(vendor: str, folder: Path = FOLDER) -> Tables:
    """The packaged tables of a vendor; none for a vendor without a file (a third-party adapter has its own).

    Raises BadTable.
    """
    return {name: [list(pair) for pair in pairs] for name, pairs in _packaged(vendor, folder).items()}


def overlay(vendor: str, own: Mapping[str, list[list[Any]]], folder: Path = FOLDER) -> Tables:
    """The tables in force for one connection: the packaged ones, those named in `own` replaced. Raises BadTable."""
    return {**packaged(vendor, folder), **{name: [list(pair) for pair in pairs] for name, pairs in own.items()}}
