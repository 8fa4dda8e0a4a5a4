"""The hub of the demo: a configuration for the stand-ins, `lockstep up` as a process of its own, and the ways to hurt it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import requests

from adapters.teams.sandbox import ACCOUNT, APP, CHANNEL, ROBIN, TEAM, TENANT
from hub.sync.hub import Hub
from workers.demo.vendors import Vendors
from workers.parent import die_with_parent

CONFIG = """
[hub]
base_url = "{base}"
data_dir = "{data}"

[connections.pagerduty]
vendor = "pagerduty"
state = "enabled"
api_url = "{pagerduty}"
events_url = "{pagerduty}"
from_email = "lockstep@example.com"
default_service = "PCHECKO"
reopen = true

[connections.jira]
vendor = "jira"
state = "enabled"
url = "{jira}"
deployment = "cloud"
email = "bot@example.com"
project = "OPS"
issue_type = "Incident"

[connections.teams]
vendor = "teams"
state = "enabled"
route = "graph"
tenant = "{tenant}"
client_id = "{app}"
team = "{team}"
channel = "{channel}"
account = "{account}"
graph_url = "{teams}/v1.0"
login_url = "{teams}/login"

[connections.statuspage]
vendor = "statuspage"
state = "enabled"
api_url = "{statuspage}/v1"
page_id = "{page}"
webhook_email = "ops@example.com"

[policy]
opens = ["pagerduty"]
creates_per_minute = {creates}

[[policy.links]]
connection = "jira"
severity_at_least = "SEV4"

[[policy.links]]
connection = "teams"

[[policy.links]]
connection = "statuspage"
services = ["checkout"]
hold = true

[services.checkout]
name = "Checkout"
ids = {{ pagerduty = "PCHECKO", jira = "Checkout", statuspage = "{component}" }}

[people.ada]
name = "Ada Lovelace"
email = "ada@example.com"
accounts = {{ pagerduty = "PADA001", jira = "{ada}", teams = "{robin}" }}

[services.search]
name = "Search"
ids = {{ pagerduty = "PSEARCH", jira = "Search" }}
"""


class NotUp(RuntimeError):
    """The hub did not come up; the text says why, and where its log is."""


@dataclass
class Deployment:
    """folder: where the demo's data is. port: of the web. urls: vendor → where the hub is to look for it, if not at its
    stand-in itself. more: environment variables besides those that the stand-ins need. creates: objects a minute.
    python, root: the interpreter and the working folder of `lockstep up`, where another checkout is to run."""

    vendors: Vendors
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    hurt: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)
    creates: int = 60
    python: str = sys.executable
    root: Path | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Writes the configuration, and sets the environment of this process and of the hub."""
        v = self.vendors
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "lockstep.toml"
        config.write_text(
            CONFIG.format(
                base=self.base, data=self.folder / "data", tenant=TENANT, app=APP, team=TEAM, channel=CHANNEL,
                account=ACCOUNT, robin=ROBIN, page=v.statuspage.page_id, component=v.component,
                ada=v.jira.account("ada"), creates=self.creates,
                **{name: self.urls.get(name, v.url(name)) for name in v.ports},
            ),
            encoding="utf-8",
        )  # fmt: skip
        secret = v.ids.token(24)
        self.environ = {
            **{k: w for k, w in os.environ.items() if not k.startswith("LOCKSTEP_") or k == "LOCKSTEP_LOG_LEVEL"},
            "LOCKSTEP_CONFIG": str(config),
            "LOCKSTEP_PAGERDUTY_API_TOKEN": v.pagerduty.token,
            "LOCKSTEP_JIRA_TOKEN": sorted(v.jira.tokens)[0],
            "LOCKSTEP_JIRA_WEBHOOK_SECRET": secret,
            "LOCKSTEP_TEAMS_CLIENT_SECRET": v.teams.client_secret,
            "LOCKSTEP_TEAMS_REFRESH_TOKEN": v.teams.refresh_tokens[0],
            "LOCKSTEP_TEAMS_OUTGOING_WEBHOOK_SECRET": v.teams.push.outgoing_secret,
            "LOCKSTEP_STATUSPAGE_API_KEY": sorted(v.statuspage.api_keys)[0],
            "LOCKSTEP_STATUSPAGE_WEBHOOK_PATH_TOKEN": v.ids.token(24),
            "LOCKSTEP_LOG_LEVEL": os.environ.get("LOCKSTEP_LOG_LEVEL", "ERROR"),
            **self.more,
        }
        v.jira.register(f"{self.base}/in/jira", secret)
        v.teams.push.outgoing_url = f"{self.base}/in/teams"

    @contextmanager
    def up(self) -> Iterator[None]:
        """`lockstep up`, until the block ends. Raises NotUp."""
        log = (self.folder / "hub.log").open("ab")
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [self.python, "-m", "hub.cli", "up", "--port", str(self.port), "--workers", "2"],
            env=self.environ, cwd=self.root, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )  # fmt: skip
        try:
            self._wait_until_ready()
            yield
        finally:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
            log.close()

    def _wait_until_ready(self) -> None:
        pause = threading.Event()
        for _ in range(300):
            if self.process is not None and self.process.poll() is not None:
                break
            try:
                if requests.get(f"{self.base}/health/ready", timeout=2).status_code == 200:
                    return
            except requests.RequestException:
                pass
            pause.wait(0.2)
        log = self.folder / "hub.log"
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:] or ["it said nothing"]
        raise NotUp(f"the hub did not come up: {said[0]}; see {log}")

    def hub(self) -> Hub:
        """A hub of this process on the same database: to act as a person would at the command line, and to look."""
        from hub.settings.load import load
        from workers.bootstrap import build_hub

        key = self.folder / "data" / "vault.key"
        return build_hub(load(environ={**self.environ, "LOCKSTEP_VAULT_KEY_FILE": str(key)}))

    # --- ways to hurt it ----------------------------------------------------------------------------------------

    def parts(self, word: str) -> list[int]:
        """The process ids of the parts (web, worker, timer) whose command line has `word` in it."""
        assert self.process is not None
        return [pid for pid, command in children(self.process.pid) if word.encode() in command]

    def kill_a_worker(self) -> int:
        """kill -9 of one worker; the supervisor starts another. Returns its process id."""
        for pid in self.parts("worker"):
            os.kill(pid, signal.SIGKILL)
            return pid
        raise RuntimeError("no worker was found to kill")

    def empty_redis(self) -> None:
        """FLUSHALL."""
        import redis

        from workers.sockets import url

        redis.Redis.from_url(url(self.folder / "data")).flushall()


def children(pid: int) -> list[tuple[int, list[bytes]]]:
    """(process id, command line) of every child of a process."""
    found = []
    for entry in sorted(Path("/proc").glob("[0-9]*")):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError, ValueError):
            continue
        if parent == pid:
            found.append((int(entry.name), command))
    return found
