"""Installs the packages of the lock files, and the hub itself. `make` and the image use it.

    python .ci/install.py                           all runtime dependencies, and the hub from this folder, editable
    python .ci/install.py --test                    the same, and what the tests need
    python .ci/install.py --extras pagerduty,jira   only these extras
    python .ci/install.py --print ...               only prints the requirements that it would install
    python .ci/install.py --compile                 only writes the bytecode of the installed packages

It installs into the environment of the Python that runs it, and leaves other packages there. Each package's file has
the hash that is in the lock. uv installs them (uv itself is from requirements.build.lock); if uv is not available, pip
does, slowly. Standard library only. pip's own settings (an index, a folder of wheels, a proxy) apply to uv too.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN, TEST, BUILD = (ROOT / f"requirements.{kind}lock" for kind in ("", "test.", "build."))
OURS = "lockstep-hub"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")

UNUSED = r"[/\\]msgraph[/\\]generated[/\\](?!teams[/\\]|[^/\\]+\.py$)"
"""Of msgraph-sdk's 16,000 modules, those that the hub never loads: compiling them takes minutes and 200 MB."""


def name_of(requirement: str) -> str:
    """`PyJWT[crypto]>=2.10; …` → `pyjwt`."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def direct(project: Mapping, extras: Iterable[str]) -> set[str]:
    """The project's direct dependencies, with these extras. Raises LookupError for an unknown extra."""
    offered = project["optional-dependencies"]
    names, waiting, seen = {name_of(r) for r in project["dependencies"]}, list(extras), set()
    while waiting:
        extra = waiting.pop()
        if extra in seen:
            continue
        if extra not in offered:
            raise LookupError(f"there is no extra {extra!r}; there are {', '.join(sorted(offered))}")
        seen.add(extra)
        for requirement in offered[extra]:
            if name_of(requirement) == OURS:  # `all` names the others
                waiting += re.findall(r"[a-z0-9-]+", requirement.partition("[")[2].partition("]")[0])
            else:
                names.add(name_of(requirement))
    return names


def entries(lock: str) -> Iterator[tuple[str, set[str], str]]:
    """(name, the packages that require it, the text) of each entry of a lock file. The text has its hashes."""
    for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]:
        yield (
            name_of(block),
            {name_of(word) for word in re.findall(r"#(?: via)? +(?!via$)([\w.-]+)", block, re.M)},
            block,
        )


def chosen(lock: str, project: Mapping, extras: Sequence[str]) -> str:
    """The part of the lock that the project needs with these extras: its direct and transitive dependencies. Raises
    LookupError for an unknown extra or a dependency without an entry."""
    asked, found = direct(project, extras), list(entries(lock))
    wanted = {name for name, _, _ in found if name in asked}
    while more := {name for name, parents, _ in found if parents & wanted} - wanted:
        wanted |= more
    if missing := asked - wanted:
        raise LookupError(f"the lock has no entry for {', '.join(sorted(missing))}; run `make lock`")
    return "".join(text for name, _, text in found if name in wanted)


def pip_settings(listed: str) -> dict[str, str]:
    """`pip config list` → setting → value. The environment takes precedence over a command's section, and that over
    [global]."""
    found: dict[str, str] = {}
    ranks = {"global": 0, "install": 1, ":env:": 2}
    lines = (re.match(r"(global|install|:env:)\.([a-z-]+)=(.+)", line) for line in listed.splitlines())
    for match in sorted(filter(None, lines), key=lambda m: ranks[m[1]]):
        try:
            found[match[2]] = str(ast.literal_eval(match[3]))
        except (ValueError, SyntaxError):
            continue
    return found


def as_uv(settings: Mapping[str, str]) -> dict[str, str]:
    """pip's settings as uv's environment variables."""
    spaced: Callable[[str], str] = lambda value: " ".join(value.split())  # noqa: E731
    table: dict[str, tuple[str, Callable[[str], str]]] = {
        "index-url": ("UV_DEFAULT_INDEX", spaced),
        "extra-index-url": ("UV_INDEX", spaced),
        "find-links": ("UV_FIND_LINKS", lambda value: ",".join(value.split())),
        "trusted-host": ("UV_INSECURE_HOST", spaced),
        "no-index": ("UV_NO_INDEX", lambda value: "1" if value.lower() in ("1", "true", "yes", "on") else ""),
        "cert": ("SSL_CERT_FILE", str.strip),
        "client-cert": ("SSL_CLIENT_CERT", str.strip),
        "proxy": ("ALL_PROXY", str.strip),
        "default-timeout": ("UV_HTTP_TIMEOUT", spaced),
        "timeout": ("UV_HTTP_TIMEOUT", spaced),
    }
    out = {
        table[name][0]: word for name, value in settings.items() if name in table and (word := table[name][1](value))
    }
    if "UV_INDEX" in out:
        out["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip: the best version of all indexes; the hash must match
    return out


def for_uv() -> dict[str, str]:
    """The environment variables for uv: this process's, which take precedence, and pip's settings."""
    listed = subprocess.run((*PIP, "config", "list"), check=False, capture_output=True, text=True).stdout
    return {**as_uv(pip_settings(listed)), **os.environ}


def uv() -> Sequence[str] | None:
    """The command for uv, which is installed into this environment if it is missing; None = it cannot be installed."""
    if importlib.util.find_spec("uv") is None:
        command = (
            *PIP,
            "install",
            "--quiet",
            "--no-compile",
            "--only-binary",
            ":all:",
            "--require-hashes",
            "-r",
            str(BUILD),
        )
        if subprocess.run(command, check=False).returncode != 0:
            return None
        importlib.invalidate_caches()
    return (sys.executable, "-m", "uv")


def install(requirements: Path) -> None:
    """Installs the requirements, and the hub, editable. Raises CalledProcessError."""
    tool = uv()
    ours = ("--no-deps", "--editable", str(ROOT))
    if tool is not None:
        environ = for_uv()
        common = (*tool, "pip", "install", "--python", sys.executable)
        locked = ("--require-hashes", "--build-constraints", str(BUILD), "-r", str(requirements))
        try:
            subprocess.run((*common, *locked), check=True, env=environ)
            subprocess.run((*common, "--quiet", "--no-build-isolation", *ours), check=True, env=environ)
        except subprocess.CalledProcessError:
            print("uv failed; trying pip", flush=True)
        else:
            return
    print("installing with pip; this takes some minutes", flush=True)
    common = (*PIP, "install", "--no-compile", "--progress-bar", "off")
    subprocess.run((*common, "--require-hashes", "-r", str(requirements)), check=True)
    subprocess.run((*common, *ours), check=True)


def compiled() -> None:
    """Writes the bytecode of the installed packages, for an environment in which Python writes none itself."""
    places = {path for path in sys.path if path.endswith("site-packages") and path.startswith(sys.prefix)}
    subprocess.run((sys.executable, "-m", "compileall", "-q", "-j", "0", "-x", UNUSED, *sorted(places)), check=False)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python .ci/install.py", description="Installs the packages of the lock files."
    )
    parser.add_argument("--extras", default="all", help="separated by commas; default: all")
    parser.add_argument("--test", action="store_true", help="also install what the tests need")
    parser.add_argument("--print", action="store_true", help="print the requirements; install nothing")
    parser.add_argument(
        "--compile", action="store_true", help="write the bytecode of the installed packages; install nothing"
    )
    given = parser.parse_args(arguments)
    if given.compile:
        compiled()
        return 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [*filter(None, re.split(r"[\s,]+", given.extras)), *(["test"] if given.test else [])]
    try:
        text = chosen((TEST if given.test else RUN).read_text(encoding="utf-8"), project, extras)
    except LookupError as e:
        print(e.args[0], file=sys.stderr)
        return 2
    if given.print:
        print(text, end="")
        return 0
    began = time.monotonic()
    print(f"installing {sum(1 for _ in entries(text))} packages", flush=True)
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "requirements.txt").write_text(text, encoding="utf-8")
        install(folder / "requirements.txt")
    except subprocess.CalledProcessError as e:
        return e.returncode
    finally:
        shutil.rmtree(folder)
    if sys.dont_write_bytecode:
        print("compiling, because PYTHONDONTWRITEBYTECODE is set", flush=True)
        compiled()
    print(f"installed in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
