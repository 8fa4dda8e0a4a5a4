"""A whole demo with a canary in place of every secret: none of them is in anything that the demo wrote, except encrypted.

Real processes at DEBUG (web, workers, timer, the embedded Redis, SQLite) play the whole incident of `lockstep demo --once`,
a person asks for everything at the command line and over the API, and then every byte is searched: the database with its
write-ahead log, Redis's append-only file, every log, every answer, every command line of a running process. A canary is
looked for in clear, in base64 at each of its three offsets, in hexadecimal and percent-encoded.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from hub.clock import SystemIds
from hub.store import tokens
from workers.demo.deployment import Deployment
from workers.demo.script import Play
from workers.demo.vendors import Postman, Vendors, free_port

ASKED = (
    "connections list", "incident list", "incident show INC-1", "incident journal INC-1", "link list", "inbox list --limit 500",
    "failed-writes list", "unmatched list", "token list", "config check", "doctor",
)  # fmt: skip
PAGES = (
    "incidents", "incidents/INC-1", "incidents/INC-1/journal", "links?limit=200", "inbox?limit=200", "failed-writes",
    "unmatched", "connections", "pause",
)  # fmt: skip


class Canaries(SystemIds):
    """Ids that record every secret which the stand-ins generate."""

    def __init__(self) -> None:
        self.minted: dict[str, str] = {}

    def token(self, size: int = 32) -> str:
        made = f"Canary{len(self.minted)}x{super().token(size)}"
        self.minted[f"minted by a stand-in, no. {len(self.minted)}"] = made
        return made


def shapes(secret: str) -> Iterator[bytes]:
    """The encodings in which a secret may have been written."""
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    if (quoted := quote(secret, safe="").encode()) != raw:
        yield quoted
    for offset in range(3):  # within a longer base64 text; the characters at its ends depend on the neighbouring bytes
        whole = base64.b64encode(b"\0" * offset + raw)
        inner = whole[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


def found(canaries: Mapping[str, str], written: Mapping[str, bytes]) -> list[str]:
    """Which secret was found where, without its value."""
    return [
        f"{name}: in {where}"
        for name, secret in canaries.items()
        for where, content in written.items()
        if any(shape in content for shape in shapes(secret))
    ]


def command_lines() -> bytes:
    """The command lines of all processes: every user of the machine can read arguments."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((entry / "cmdline").read_bytes())
        except OSError:
            continue
    return b"\n".join(lines)


def planted() -> tuple[Vendors, dict[str, str]]:
    """Stand-ins with a canary for every credential, and the canaries by name."""
    ids = Canaries()
    vendors = Vendors(ids=ids)
    canaries = {
        name: f"Canary-{name}-{SystemIds().token(18)}" for name in ("pd-key", "jira-token", "page-key", "client")
    }
    vendors.pagerduty.token = canaries["pd-key"]
    vendors.jira.tokens.clear()
    vendors.jira.tokens.add(canaries["jira-token"])
    vendors.statuspage.api_keys.clear()
    vendors.statuspage.api_keys.add(canaries["page-key"])
    vendors.teams.client_secret = canaries["client"]
    refresh = f"Canary-refresh-{SystemIds().token(18)}"
    vendors.teams.refresh_tokens[:] = [refresh]
    outgoing = base64.b64encode(f"Canary-outgoing-{SystemIds().token(18)}".encode()).decode()
    vendors.teams.push.outgoing_secret = outgoing
    canaries |= {"refresh token": refresh, "outgoing webhook": outgoing}
    return vendors, canaries


def asked(deployment: Deployment, environ: Mapping[str, str], token: str) -> dict[str, bytes]:
    """The answers to what a person may request: every listing, by command line and API, and every webhook whole."""
    answers: dict[str, bytes] = {}
    for words in ASKED:
        for more in ([], ["--json"]) if words != "config check" else ([],):
            ran = subprocess.run(
                [sys.executable, "-m", "hub.cli", *words.split(), *more],
                env=dict(environ),
                capture_output=True,
                timeout=60,
            )
            assert ran.returncode in (0, 1), f"lockstep {words} {more}: {ran.stderr.decode()[-500:]}"
            answers[f"lockstep {words} {' '.join(more)}"] = ran.stdout + ran.stderr
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    for page in PAGES:
        answers[f"GET {page}"] = session.get(f"{deployment.base}/api/v1/{page}", timeout=10).content
    for one in json.loads(answers["GET inbox?limit=200"])["items"]:
        answers[f"GET inbox/{one['id']}"] = session.get(
            f"{deployment.base}/api/v1/inbox/{one['id']}", timeout=10
        ).content
    for path in ("metrics", "health/ready", "api/openapi.json", "in/statuspage/false-path", "in/nobody"):
        answers[path] = session.request(
            "POST" if path.startswith("in/") else "GET", f"{deployment.base}/{path}", timeout=10
        ).content
    return answers


def unpacked(content: bytes) -> bytes:
    """The content, followed by its compressed parts decompressed; the arguments of RQ's jobs are compressed."""
    found = [content]
    for start in re.finditer(rb"x[\x01\x5e\x9c\xda]", content):
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompressobj().decompress(content[start.start() :], 100_000))
    return b"\n".join(found)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below the folder except the vault's key."""
    return {
        str(path.relative_to(folder)): unpacked(path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name != "vault.key"
    }


def test_the_search_finds_a_secret_however_it_is_written() -> None:
    secret = "Canary-1-abcdefghijklmnop"
    for padding in (b"", b"a", b"ab"):
        for text in (
            secret.encode(),
            base64.b64encode(padding + secret.encode() + b"zz"),
            secret.encode().hex().encode(),
        ):
            assert found({"it": secret}, {"here": b"before " + text + b" after"}) == ["it: in here"]
    assert found({"it": secret}, {"here": base64.b64encode(b"something else altogether")}) == []


def test_no_secret_is_in_anything_that_a_whole_demo_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_LOG_LEVEL", "DEBUG")
    vendors, canaries = planted()
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ls") as name:
        folder = Path(name)
        deployment = Deployment(vendors, folder, free_port())
        deployment.prepare()
        canaries |= {
            k: v
            for k, v in deployment.environ.items()
            if re.search("SECRET|TOKEN|KEY", k) and k.startswith("LOCKSTEP_")
        }
        postman = Postman(vendors)
        with vendors.served(), deployment.up(), postman.at_work():
            play = Play(deployment, vendors, postman, said.append)
            verdict = play.run()
            assert verdict.problems == []
            key = folder / "data" / "vault.key"
            environ = {**deployment.environ, "LOCKSTEP_VAULT_KEY_FILE": str(key)}
            hub = play.hub
            _, token = tokens.create(hub.store, hub.clock, hub.ids, "canary", ["admin"])
            canaries |= {"API token": token, "vault key": key.read_text().strip()}
            for connection in hub.adapters:  # secrets that the hub made, and those that vendors gave it at run time
                for secret in ("webhook_secret", "client_state", "webhook_path_token", "refresh_token"):
                    for n, value in enumerate(hub.secrets(connection).all(secret)):
                        canaries[f"{connection} {secret} no. {n}"] = value
            canaries |= vendors.ids.minted
            written = asked(deployment, environ, token)
            written["command lines"] = command_lines()
        written |= files(folder)
    written["what the demo said"] = "\n".join(said).encode()
    written["the demo's verdict"] = repr([row.shape() for row in verdict.rows]).encode()
    _assert_searched(written, canaries)
    leaks = found(canaries, written)
    assert leaks == []


def _assert_searched(written: Mapping[str, bytes], canaries: Mapping[str, str]) -> None:
    """Asserts that what was searched is complete: a search in an empty or wrong file would find nothing."""
    comment = b"It began with the deploy at 09:12"
    assert any(comment in content for where, content in written.items() if where.startswith("data/lockstep.db"))
    assert comment in written["GET incidents/INC-1"]
    assert comment in written["lockstep incident show INC-1 --json"]
    assert len(written["hub.log"]) > 1_000
    assert any(where.startswith("GET inbox/") and b"clientState" in content for where, content in written.items())
    if any(where.startswith("data/redis/") for where in written):
        assert any(b"workers.sync" in c for where, c in written.items() if where.startswith("data/redis/"))
    assert len(canaries) > 15
    assert {"client_state", "webhook_secret", "webhook_path_token"} <= {
        n.split()[1] for n in canaries if " no. " in n and " " in n
    }
