"""What an adapter receives besides the fields: facts for texts and cards, and the person for whom a change is made."""

from __future__ import annotations

from hub.domain.plan import creation
from hub.domain.values import Fields, Json
from hub.store import incidents as incident_rows
from hub.store.cases import LinkRows
from hub.store.records import Outbox
from hub.store.unit import Tx
from hub.sync.hub import Hub


def context_of(hub: Hub, tx: Tx, found: LinkRows, row: Outbox | None) -> tuple[dict[str, Json], dict[str, Json]]:
    """(facts for texts and cards, the whole desired object in the vendor's vocabulary). Also sets `row.actor`: the
    person for whom the change is made."""
    link = found.link
    shown = incident_rows.links_shown(tx, link.incident_id)
    item = incident_rows.item(tx, link.item_id) if link.item_id else None
    fields = item.fields if item else found.fields
    capabilities = hub.capabilities(link.connection)
    desired, _ = creation(fields, capabilities.kinds[link.kind], hub.relations(link.connection, link.kind))
    base, connections = hub.config.base_url.rstrip("/"), hub.config.connections
    context: dict[str, Json] = {
        "number": found.name,
        "url": f"{base}/incidents/{found.name}" if base else "",
        "links": [
            {"title": k["connection"], "url": k["url"], "system": connections[k["connection"]].vendor}
            for k in shown
            if k["url"] and k["id"] != link.id and k["state"] in ("live", "frozen") and k["connection"] in connections
        ],
        "author": item.author if item else None,
        "status": next((k["shadow"].get("status") for k in shown if k["id"] == link.parent_id), None),
    }
    if item is not None and item.kind != link.kind:
        context["author"] = f"{item.author or item.origin} (published update)"
    if row is not None:
        name = item.author if item else _last_actor(found.provenance, row.changes)
        email = hub.actor_email(name)
        row.actor = {"name": name, "email": email} if name else None
    return context, desired


def _last_actor(provenance: dict[str, Json], changes: Fields) -> str | None:
    """The person who made the newest of the changes to be written; None if no person did."""
    proofs = [p for field_path, p in provenance.items() if field_path.split("/")[0] in changes and p.get("actor")]
    return max(proofs, key=lambda p: str(p["until"]))["actor"] if proofs else None
