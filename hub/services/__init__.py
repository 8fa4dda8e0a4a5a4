"""The desk: what people ask for, by console, API or command line. Plain dicts in and out, times as ISO 8601 UTC.

Every function raises only `NotFound`, `Conflict` or `Invalid` (and `StoreUnavailable`)."""

from hub.services.connections import is_paused, list_connections, set_connection, set_pause
from hub.services.errors import Conflict, Invalid, NotFound
from hub.services.failed_writes import (
    discard,
    list_failed_writes,
    list_inbox,
    list_unmatched,
    replay,
    retry_inbox,
    settle_unmatched,
    show_inbox,
)
from hub.services.incidents import (
    add_comment,
    approve_update,
    draft_update,
    edit_comment,
    edit_incident,
    list_incidents,
    merge_incidents,
    open_incident,
    show_incident,
    show_journal,
)
from hub.services.links import (
    approve_link,
    list_links,
    refresh_link,
    relink,
    review_field,
    show_link,
    unlink,
)

__all__ = [
    "Conflict",
    "Invalid",
    "NotFound",
    "add_comment",
    "approve_link",
    "approve_update",
    "discard",
    "draft_update",
    "edit_comment",
    "edit_incident",
    "is_paused",
    "list_connections",
    "list_failed_writes",
    "list_inbox",
    "list_incidents",
    "list_links",
    "list_unmatched",
    "merge_incidents",
    "open_incident",
    "refresh_link",
    "relink",
    "replay",
    "retry_inbox",
    "review_field",
    "set_connection",
    "set_pause",
    "settle_unmatched",
    "show_inbox",
    "show_incident",
    "show_journal",
    "show_link",
    "unlink",
]  # fmt: skip
