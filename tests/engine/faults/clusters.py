"""A PostgreSQL server for one test, in a folder of its own, so that it may be killed and its disk filled."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import absent
from workers.demo.vendors import free_port


def _programs() -> Path:
    """The folder with initdb and pg_ctl."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if shutil.which("initdb"):
        return Path(str(shutil.which("initdb"))).parent
    if not found:
        absent("PostgreSQL's programs (initdb, pg_ctl) are not installed")
    return found[-1]


@dataclass
class Cluster:
    """One server. folder: an empty folder for it alone. port: on loopback."""

    folder: Path
    port: int
    programs: Path

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *words: str, check: bool = True) -> None:
        """Runs one of PostgreSQL's programs, under another account if this is root: PostgreSQL does not run as root."""
        user = "postgres" if os.geteuid() == 0 else None
        subprocess.run(
            [str(self.programs / program), "-D", str(self.folder / "pg"), *words],
            check=check, timeout=90, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            for above in self.folder.parents:  # that account must be able to reach the folder
                if above.stat().st_uid == 0 and str(above).startswith("/tmp/"):
                    above.chmod(above.stat().st_mode | 0o011)
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--wal-segsize=1")

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c max_wal_size=8MB -c min_wal_size=2MB"
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, how: str) -> None:
        """Stops the server. how: fast (ends every session), immediate (as if it were killed)."""
        self._run("pg_ctl", "-w", "-m", how, "stop", check=False)

    def running(self) -> bool:
        return (self.folder / "pg" / "postmaster.pid").exists()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    made = Cluster(folder, free_port(), _programs())
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            absent("root cannot run PostgreSQL, and there is no account `postgres`")
    made.make()
    made.start()
    try:
        yield made
    finally:
        made.stop("immediate")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mounts a file system of so many megabytes on the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)],
            check=True, timeout=20, capture_output=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        absent("a small file system cannot be mounted here (that takes root)")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, timeout=20)


def fill(folder: Path) -> Path:
    """Fills the file system completely. Returns the file to remove to free it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return ballast
