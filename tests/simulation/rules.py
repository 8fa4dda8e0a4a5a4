"""The authority rules as the simulated company expects them, kept apart from the hub's own tables: a hub that reads its table
wrongly, or ships a wrong one, must not be checked against that table."""

from __future__ import annotations

from collections.abc import Mapping

from hub.domain.values import Json

ORDER = ("triggered", "acknowledged", "identified", "monitoring")
ENDS = ("resolved", "cancelled")

TAKE, KEEP, REVIEW = "take", "keep", "review"

FREE = frozenset({"status", "severity", "impacts"})
"""Fields that are published without a further approval once the incident's page entry is approved."""

ON = ("forward", "close", "reopen")
STATUS: Mapping[str, Mapping[str, str]] = {
    "pagerduty": dict.fromkeys((*ON, "unacknowledge"), TAKE),
    "jira": dict.fromkeys((*ON, "backward"), TAKE),
    "teams": dict.fromkeys((*ON, "backward", "unacknowledge"), TAKE),
    "statuspage": {"forward": TAKE, "close": REVIEW, "reopen": REVIEW, "backward": REVIEW},
}
"""vendor → kind of status change → verdict; a change that is not listed is not copied to other systems."""


def move(before: Json, after: Json) -> str:
    """The kind of this status change."""
    if after in ENDS:
        return "close"
    if before in ENDS:
        return "reopen"
    if (before, after) == ("acknowledged", "triggered"):
        return "unacknowledge"
    return "forward" if ORDER.index(after) > ORDER.index(before) else "backward"


def verdict(field: str, vendor: str, before: Json, after: Json) -> str:
    """Whether a change made at this vendor applies to all systems."""
    if field == "status":
        return STATUS[vendor].get(move(before, after), KEEP)
    return KEEP if (field, vendor) == ("severity", "statuspage") else TAKE
