"""Fixtures for real processes, which need a data folder whose path is short enough for a unix socket."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty data folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="ls"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
