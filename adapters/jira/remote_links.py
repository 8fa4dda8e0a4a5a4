"""Links from an issue to the same incident in other systems: Jira's remote links. Pure.

A remote link with the same `globalId` is replaced, else created (an upsert). Fields that are not sent become null, so
the whole object is sent every time. Vendor document: "Issue remote links", Jira REST API.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from hub.domain.values import Fields, Json

RELATIONSHIP = "same incident"
_LONGEST_ID = 255


def wanted(context: Fields) -> Iterator[Json]:
    """The bodies to POST: one for the hub's own page, one for each other system that shows the incident."""
    number = str(context.get("number") or "")
    if context.get("url"):
        title = " ".join(p for p in (number, "in Lockstep") if p)
        yield _link(f"lockstep:{number or context['url']}", "Lockstep", context["url"], title)
    for link in context.get("links") or ():
        if not isinstance(link, Mapping) or not link.get("url"):
            continue
        system = str(link.get("system") or "link")
        yield _link(f"lockstep:{system}:{link['url']}", system, link["url"], str(link.get("title") or link["url"]))


def _link(global_id: str, system: str, url: str, title: str) -> Json:
    if len(global_id) > _LONGEST_ID:
        global_id = "lockstep:" + hashlib.sha256(global_id.encode()).hexdigest()
    return {
        "globalId": global_id,
        "application": {"type": "lockstep", "name": system},
        "relationship": RELATIONSHIP,
        "object": {"url": url, "title": title[:255], "summary": f"The same incident in {system}"},
    }


def lacking(wanted: Sequence[Json], present: Sequence[Mapping[str, Json]]) -> list[Json]:
    """The links that are missing or differ."""
    existing = {p.get("globalId"): p for p in present}
    return [w for w in wanted if not _same(w, existing.get(w["globalId"]))]


def _same(want: Json, have: Mapping[str, Json] | None) -> bool:
    if have is None:
        return False
    shown = have.get("object") or {}
    return (
        all(shown.get(k) == v for k, v in want["object"].items()) and have.get("relationship") == want["relationship"]
    )
