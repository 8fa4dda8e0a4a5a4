"""Graph's delta query in the Teams stand-in: the messages that changed since the caller's last query."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta
from urllib.parse import quote

from flask import Response, jsonify, request

from adapters.teams.sandbox.access import error
from adapters.teams.sandbox.payloads import shown
from adapters.teams.sandbox.state import Message, State
from adapters.teams.wire import when


def messages_path(state: State) -> str:
    return f"/teams/{state.team}/channels/{quote(state.channel, safe='')}/messages"


def changed_chains(state: State) -> Response:
    """Chains (a root and its replies) that changed since the token or the filter's time, in the order of their changes,
    with all replies if `replies` is expanded. A chain that changes while the pages are read is listed again on the last
    page, or in the next round."""
    token = request.args.get("$deltatoken") or request.args.get("$skiptoken")
    if token:
        try:
            floor, upto, top, expand, after = json.loads(base64.urlsafe_b64decode(token))
        except ValueError:
            return error(400, "BadRequest", "Badly formed token.")
        if floor < state.expired_before:
            return error(410, "SyncStateNotFound", "The sync state generation is not found; start over.")
    else:
        found = re.fullmatch(r"lastModifiedDateTime gt (\S+)", request.args.get("$filter", ""))
        if "$filter" in request.args and not found:
            return error(400, "BadRequest", "Only lastModifiedDateTime gt is supported in $filter.")
        floor, upto, after = 0, None, found[1] if found else None
        top, expand = min(50, int(request.args.get("$top", 20))), request.args.get("$expand") == "replies"
    if upto is None:
        limit = state.clock.now() - timedelta(seconds=state.lag)
        upto = min([state.seq, *(m.seq - 1 for m in list(state.messages.values()) if m.modified > limit)])
    moment = when(after)
    chains = [m for m in list(state.messages.values()) if m.root is None and _first_news(m, floor) <= upto]
    chains = sorted((m for m in chains if moment is None or last_touched(m) > moment), key=lambda m: m.seq)
    page, rest = chains[:top], chains[top:]
    name, position = ("skiptoken", [page[-1].seq, upto]) if rest else ("deltatoken", [upto, None])
    packed = base64.urlsafe_b64encode(json.dumps([*position, top, expand, after]).encode()).decode()
    link = f"{state.graph_url}{messages_path(state)}/delta()?${name}={packed}"
    name = "@odata.nextLink" if rest else "@odata.deltaLink"
    return jsonify({"value": [shown(state, m, expand) for m in page], name: link})


def _first_news(root: Message, floor: int) -> float:
    """The sequence number of a chain's first change after `floor`; infinity if there is none."""
    return min((m.seq for m in (root, *list(root.replies.values())) if m.seq > floor), default=float("inf"))


def last_touched(root: Message) -> datetime:
    return max([root.modified, *(r.modified for r in list(root.replies.values()))])
