"""Renews the lock files: `python .ci/lock.py [--keep]`.

| file | what it locks |
|---|---|
| `requirements.lock` | all runtime dependencies, with all extras: for the image and `make demo` |
| `requirements.test.lock` | the same, in the same versions, and what the tests need |
| `requirements.build.lock` | the tools that install them |

Each entry has the hashes of its files, for every platform, and names the packages that require it (`install.py` reads
them). The files contain no index address.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from install import BUILD, ROOT, RUN, TEST, for_uv, uv

OLDEST = "3.11"
"""The oldest Python, as in pyproject.toml."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python .ci/lock.py", description="Renews the lock files.")
    parser.add_argument("--keep", action="store_true", help="keep each version that pyproject.toml still allows")
    given = parser.parse_args(arguments)
    tool = uv()
    if tool is None:
        print("the lock files are made by uv, which could not be installed", file=sys.stderr)
        return 1
    common = (
        *tool, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", OLDEST,
        "--no-strip-extras", "--annotation-style", "split", "--custom-compile-command", "make lock",
        *(() if given.keep else ("--upgrade",)),
    )  # fmt: skip
    for file, what in (
        (RUN, ("pyproject.toml", "--extra", "all")),
        (TEST, ("pyproject.toml", "--extra", "all", "--extra", "test", "--constraints", RUN.name)),
        (BUILD, ("--group", "build")),
    ):
        done = subprocess.run((*common, *what, "--output-file", file.name), check=False, cwd=ROOT, env=for_uv())
        if done.returncode != 0:
            return done.returncode
        print(f"{file.name}: {file.read_text(encoding='utf-8').count('==')} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
