"""The demo checks itself: what do the four vendors show in the end, and is it the same incident, made once?

The vendors' truth is read from the stand-ins over their APIs, by adapters of this process; what should be there is read
from the hub's database. Neither trusts the other.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub import services
from hub.domain.errors import RetryLater
from hub.domain.plan import Shown, plan
from hub.domain.values import INCIDENT, Json, Observation, Ref
from hub.sync.hub import Hub
from workers.demo.vendors import Vendors

SYSTEMS = ("pagerduty", "jira", "teams", "statuspage")


@dataclass
class Row:
    """One system at the end. comments: texts that are shown there; lag: seconds for which it has not been in step."""

    system: str
    object: str
    status: Json
    severity: Json
    title: Json
    comments: list[str]
    lag: float

    def shape(self) -> dict[str, Json]:
        return {**self.__dict__, "comments": len(self.comments)}


@dataclass
class Verdict:
    """problems: in words; empty = all four show the same incident, and nothing exists twice."""

    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def compare(hub: Hub, incident_id: str, vendors: Vendors) -> Verdict:
    """Compares the four with the hub, and counts what exists."""
    verdict = Verdict()
    shown = services.show_incident(hub, incident_id)
    links = {k["connection"]: k for k in shown["links"] if k["slot"] == "primary"}
    for system in SYSTEMS:
        link = links.get(system)
        if link is None or link["remote_id"] is None:
            state = link["state"] if link else "missing"
            verdict.problems.append(f"{system}: no object there (link {state})")
            continue
        _system(hub, system, link, shown, vendors, verdict)
    return verdict


def _system(
    hub: Hub, system: str, link: dict[str, Any], shown: dict[str, Any], vendors: Vendors, verdict: Verdict
) -> None:
    adapter = hub.adapter(system)
    seen = _patiently(lambda: adapter.observe(Ref(INCIDENT, link["remote_id"])))
    if seen.state != "present":
        verdict.problems.append(f"{system}: the object is {seen.state}")
        return
    said = [c for c in seen.children if c.type != "command"]  # not the commands given to us
    texts = [str(c.fields["text"]) for c in said if str(c.fields.get("text") or "").strip()]
    if system == "pagerduty":  # status updates cannot be read over PagerDuty's API
        texts += vendors.pagerduty.snapshot(link["remote_id"])["updates"]
    title = seen.fields.get("title", seen.fields.get("public_title"))
    verdict.rows.append(
        Row(
            system, link["remote_id"], seen.fields.get("status"), seen.fields.get("severity"), title, texts, link["lag"]
        )
    )
    kind, relations = adapter.capabilities.kinds[INCIDENT], hub.relations(system, INCIDENT)
    held = link["held"]
    differs = plan(shown["fields"], Shown(seen.fields, held, {}, {}, seen.consequences), kind, relations)
    for name in sorted(differs.changes):
        value = seen.fields.get(name)
        verdict.problems.append(f"{system}: {name} shows {value!r}; we hold {shown['fields'].get(name)!r}")
    verdict.problems += _texts(system, texts, shown, adapter.capabilities.public)


def _patiently(read: Callable[[], Observation]) -> Observation:
    """The stand-ins keep their vendors' rate limits towards this check too."""
    pause = threading.Event()
    for _ in range(20):
        try:
            return read()
        except RetryLater as e:
            pause.wait(min(e.delay or 0.5, 5.0))
    return read()


def _texts(system: str, texts: list[str], shown: dict[str, Any], public: bool) -> list[str]:
    """Every comment once in each internal tool, every published update once everywhere, nothing twice, nothing else."""
    wanted = Counter(u["text"] for u in shown["updates"] if not u["deleted"] and u["state"] == "approved")
    if not public:
        wanted += Counter(c["text"] for c in shown["comments"] if not c["deleted"])
    there = Counter(texts)
    if public:  # the page's own first text is a field of the incident
        there -= Counter([str(shown["fields"].get("public_text"))])
    problems = [f"{system}: {n} × {text!r} too many" for text, n in (there - wanted).items()]
    return problems + [f"{system}: {text!r} is missing" for text in (wanted - there)]


def once(vendors: Vendors) -> list[str]:
    """One incident began, so each vendor has one object."""
    counts = {
        "pagerduty": len(vendors.pagerduty.incidents),
        "jira": len(vendors.jira.issues),
        "teams": len(vendors.teams.incidents),
        "statuspage": len(vendors.statuspage.incidents),
    }
    return [f"{system}: {count} objects instead of 1" for system, count in counts.items() if count != 1]


def lost(hub: Hub, incident_id: str, edits: list[tuple[str, Json]]) -> list[str]:
    """Every edit that people made is in the journal: it won, or the rule that overruled it is named."""
    journal = services.show_journal(hub, incident_id)
    problems = [] if journal["verified"] else [f"the journal's chain is broken: {journal['broken']}"]
    said = [line["data"] or {} for line in journal["items"]]
    for field_path, value in edits:
        found = any(d.get("field") == field_path and d.get("value") == value for d in said)
        found = found or any(field_path == "text" and d.get("text") == value for d in said)
        if not found:
            problems.append(f"the edit {field_path} = {value!r} is not in the journal")
    return problems
