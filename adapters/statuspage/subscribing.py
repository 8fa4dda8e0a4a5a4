"""The webhook subscription of a page, and the checks of `lockstep doctor`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from adapters.http import understood
from adapters.statuspage import wire
from adapters.statuspage.client import MOST_PAGES, PAGE_SIZE, Client
from adapters.statuspage.webhooks import PATH_TOKEN
from adapters.statuspages import as_map
from hub.domain.errors import OutcomeUnknown, Refused, Unauthorised, VendorError
from hub.domain.values import Finding, Json
from hub.ports import Ids, Secrets

FOREIGN_CHECK = 30
"""Number of the newest incidents that are checked for another integration's metadata."""


def _subscribers(client: Client) -> list[dict[str, Any]]:
    """Every webhook subscriber of the page. (This list's first page has the number 0.)"""
    found: list[dict[str, Any]] = []
    for number in range(MOST_PAGES):
        asked = {"type": "webhook", "state": "all", "limit": PAGE_SIZE, "page": number}
        rows = understood(client.get("/subscribers", asked) or [], list, "id")
        found += rows
        if len(rows) < PAGE_SIZE:
            break
    return found


def _is_under(base: str, subscriber: Mapping[str, Any]) -> bool:
    """Whether a subscriber's endpoint is this connection's address, with any token."""
    door, _, token = str(subscriber.get("endpoint") or "").rpartition("/")
    return door == base and re.fullmatch(r"[^?#]+", token) is not None


def _remove(client: Client, subscriber: Mapping[str, Any]) -> None:
    client.write("DELETE", f"/subscribers/{quote(str(subscriber['id']), safe='')}", None)


def subscribe(client: Client, url: str, email: str, secrets: Secrets, ids: Ids) -> Json:
    """Registers `url` plus the secret path segment as a webhook subscriber, or keeps the existing one.

    A quarantined subscriber (the hub's endpoint failed too often) is removed and created again. One that the hub
    created with an older token is removed after the new one is created: its notifications would always be refused. The
    result contains no secret: {"id", "expires_at": None, "url": the URL without the token}. Raises Refused if
    `webhook_email` is not set.
    """
    tokens = list(secrets.all(PATH_TOKEN))
    if not tokens:
        secrets.put(PATH_TOKEN, ids.token())
        tokens = list(secrets.all(PATH_TOKEN))
    base = url.rstrip("/")
    for token in tokens:
        base = base.removesuffix(f"/{token}")
    endpoint = f"{base}/{tokens[0]}"
    ours = [known for known in _subscribers(client) if _is_under(base, known)]
    same = [known for known in ours if known["endpoint"] == endpoint]
    well = [known for known in same if not known.get("quarantined_at")]
    kept = well[0] if well else _make(client, endpoint, email, instead_of=same)
    for old in ours:
        if old["endpoint"] != endpoint:
            with contextlib.suppress(Refused):  # gone already, or not to be removed by us: ours is there
                _remove(client, old)
    return {"id": str(kept["id"]), "expires_at": None, "url": base}


def _make(client: Client, endpoint: str, email: str, instead_of: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Creates a subscriber; Statuspage allows only one for each endpoint."""
    if not email:
        raise Refused(
            "Statuspage requires an owner's e-mail address for a webhook; set webhook_email", field="webhook_email"
        )
    for known in instead_of:
        _remove(client, known)
    body = {"subscriber": {"endpoint": endpoint, "email": email, "skip_confirmation_notification": True}}
    made = as_map(client.write("POST", "/subscribers", body))
    if not made.get("id"):
        raise OutcomeUnknown("Statuspage's response has no subscriber id")
    return made


def examine(client: Client, mapped: Sequence[str], secrets: Secrets) -> list[Finding]:
    """mapped: the component ids in the vocabulary."""
    try:
        page = client.get("")
        if page is None:
            return [Finding("error", "the page is not found", "check page_id, and that the key belongs to its owner")]
        understood(page, dict, "id")
        findings = [Finding("ok", f"page {page.get('name') or page.get('id')} is readable")]
        if page.get("allow_webhook_subscribers") is False:
            findings.append(Finding("warn", "the page allows no webhooks", "allow them, or rely on polling"))
        if not secrets.all(PATH_TOKEN):
            what = f"the secret {PATH_TOKEN} is not set: notifications cannot be verified and are answered 503"
            findings.append(Finding("warn", what, "run `lockstep connections subscribe`, which makes one, or set it"))
        findings += _components(client, mapped)
        if any(s.get("quarantined_at") for s in _subscribers(client)):
            findings.append(
                Finding("warn", "a webhook subscriber is quarantined", "make the hub reachable, then subscribe again")
            )
        findings += _others(client)
        return findings
    except Unauthorised as error:
        return [Finding("error", error.words, "set a valid api_key (Statuspage: Manage account, API info)")]
    except VendorError as error:
        return [Finding("error", error.words, "try again; if it persists, check Statuspage's own status page")]


def _components(client: Client, mapped: Sequence[str]) -> list[Finding]:
    known = {str(c.get("id")): c for c in client.walk("/components")}
    findings = []
    for id in mapped:
        if id not in known:
            findings.append(Finding("error", f"no component {id} on the page", "correct the services table"))
        elif known[id].get("group"):
            findings.append(
                Finding("error", f"component {id} is a group and has no status of its own", "map its members instead")
            )
    return findings or [Finding("ok", f"{len(mapped)} mapped components are on the page")]


def _others(client: Client) -> list[Finding]:
    rows = client.get("/incidents", {"limit": FOREIGN_CHECK})
    keys = {
        key
        for row in understood(rows or [], list)
        for key in as_map(as_map(row).get("metadata"))
        if key != wire.METADATA
    }
    if not keys:
        return []
    return [
        Finding(
            "warn",
            f"another integration writes incidents here too: {', '.join(sorted(keys))}",
            "let only one of the two create incidents on this page",
        )
    ]
