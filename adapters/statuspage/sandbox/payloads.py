"""The stand-in Statuspage's JSON for an incident, in API responses and in webhook notifications."""

from __future__ import annotations

import copy
from typing import Any

from adapters.statuspage.sandbox.state import State

NOBODY_AFFECTED = [{"name": "No components were affected by this update."}]


def api_incident(state: State, incident: dict[str, Any]) -> dict[str, Any]:
    """An incident for API responses, nulls included: the routes leave them out."""
    out = {k: copy.deepcopy(v) for k, v in incident.items() if not k.startswith("_") and k != "backfilled"}
    out["impact"] = state.impact(incident)
    out["components"] = [dict(state.components[c]) for c in incident["_components"] if c in state.components]
    return out


def webhook_incident(state: State, incident: dict[str, Any]) -> dict[str, Any]:
    """An incident for notifications: with nulls, without metadata, and with a sentence in place of an empty list of
    affected components."""
    out = {k: v for k, v in api_incident(state, incident).items() if k != "metadata"}
    for update in out["incident_updates"][:1]:
        update["affected_components"] = update["affected_components"] or NOBODY_AFFECTED
    return {**out, "backfilled": incident["backfilled"]}
