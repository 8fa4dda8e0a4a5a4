"""The application services: what people do by API, command line or console. One file for each noun; plain dicts in and
out, times as ISO 8601 UTC.

Every function raises only `NotFound`, `Conflict` or `Invalid` (and `StoreUnavailable`)."""

from hub.services.connections import is_paused, list_connections, set_connection, set_pause
from hub.services.errors import Conflict, Invalid, NotFound
from hub.services.failed_writes import (
    discard_failed_write,
    list_failed_writes,
    retry_failed_write,
    show_failed_write,
)
from hub.services.inbox import list_inbox, retry_inbox, show_inbox
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
from hub.services.unmatched import ignore_unmatched, link_unmatched, list_unmatched, open_unmatched

__all__ = [
    "Conflict",
    "Invalid",
    "NotFound",
    "add_comment",
    "approve_link",
    "approve_update",
    "discard_failed_write",
    "draft_update",
    "edit_comment",
    "edit_incident",
    "ignore_unmatched",
    "is_paused",
    "link_unmatched",
    "list_connections",
    "list_failed_writes",
    "list_inbox",
    "list_incidents",
    "list_links",
    "list_unmatched",
    "merge_incidents",
    "open_incident",
    "open_unmatched",
    "refresh_link",
    "relink",
    "retry_failed_write",
    "retry_inbox",
    "review_field",
    "set_connection",
    "set_pause",
    "show_failed_write",
    "show_inbox",
    "show_incident",
    "show_journal",
    "show_link",
    "unlink",
]  # fmt: skip
