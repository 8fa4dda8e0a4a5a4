"""What the people of the simulated company understand the rules to be, written down apart from the hub's own tables: a hub
that reads its table wrongly, or ships a wrong one, must not be judged by it."""

from __future__ import annotations

from collections.abc import Mapping

from hub.domain.values import Json

ORDER = ("triggered", "acknowledged", "identified", "monitoring")
ENDS = ("resolved", "cancelled")

TAKE, KEEP, REVIEW = "take", "keep", "review"

FREE = frozenset({"status", "severity", "impacts"})
"""What flows to the public page without a further approval, once its incident is approved."""

ON = ("forward", "close", "reopen")
STATUS: Mapping[str, Mapping[str, str]] = {
    "pagerduty": dict.fromkeys((*ON, "unacknowledge"), TAKE),
    "jira": dict.fromkeys((*ON, "backward"), TAKE),
    "teams": dict.fromkeys((*ON, "backward", "unacknowledge"), TAKE),
    "statuspage": {"forward": TAKE, "close": REVIEW, "reopen": REVIEW, "backward": REVIEW},
}
"""vendor → kind of move → what is done with it; a move that is not named is kept from the others."""


def move(before: Json, after: Json) -> str:
    """What kind of move of the status this is."""
    if after in ENDS:
        return "close"
    if before in ENDS:
        return "reopen"
    if (before, after) == ("acknowledged", "triggered"):
        return "unacknowledge"
    return "forward" if ORDER.index(after) > ORDER.index(before) else "backward"


def verdict(field: str, vendor: str, before: Json, after: Json) -> str:
    """Whether a change made at this vendor counts for everybody."""
    if field == "status":
        return STATUS[vendor].get(move(before, after), KEEP)
    return KEEP if (field, vendor) == ("severity", "statuspage") else TAKE
