"""The desk: what people ask for, by console, API or command line. Plain dicts in and out, times as ISO 8601 UTC.

Every function raises only `NotFound`, `Conflict` or `Invalid` (and `StoreUnavailable`)."""

from hub.sync.desk.connections import is_paused, list_connections, set_connection, set_pause
from hub.sync.desk.errors import Conflict, Invalid, NotFound
from hub.sync.desk.incidents import (
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
from hub.sync.desk.letters import (
    discard,
    list_dead,
    list_inbox,
    list_strangers,
    replay,
    replay_inbox,
    settle_stranger,
    show_inbox,
)
from hub.sync.desk.links import (
    approve_link,
    list_links,
    look_again,
    relink,
    review_field,
    show_link,
    unlink,
)

__all__ = [
    "Conflict", "Invalid", "NotFound", "add_comment", "approve_link", "approve_update", "discard", "draft_update",
    "edit_comment", "edit_incident", "is_paused", "list_connections", "list_dead", "list_inbox", "list_incidents",
    "list_links", "list_strangers", "look_again", "merge_incidents", "open_incident", "relink", "replay", "replay_inbox",
    "review_field", "set_connection", "set_pause", "settle_stranger", "show_inbox", "show_incident", "show_journal",
    "show_link", "unlink",
]  # fmt: skip
