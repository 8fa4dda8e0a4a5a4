"""What the log says of an incident's links when something goes wrong with one: once, when it begins, after it was committed.

What waits for a person is also on the link, in the API, and in `attention`, for as long as it lasts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from hub.domain.values import INCIDENT
from hub.store.records import Link
from hub.sync.incident.case import Case, Problem

log = logging.getLogger(__name__)

WORDS: Mapping[str, str] = {
    "unknown_word": "a word is not mapped, and its field is left alone; add a pair for it to [vocabulary], and restart",
    "refused": "a write was refused; correct the cause, then replay its letter",
    "unreachable": "an object is not shown to us; let the hub's account see it, or unlink it",
    "gone": "an object was deleted at its vendor; nothing is written there any more",
    "duplicate": "an object is there twice; the second one is closed",
}
"""Kind of a journal's line → what is said of it."""

NOTED = "a field cannot be shown there as it is"


def problems(case: Case) -> Iterator[Problem]:
    """What is new in this case, before it is saved."""
    for line in case.lines:
        link = case.links.get(str(line.data.get("link")))
        if line.kind in WORDS and link is not None and (line.kind != "gone" or link.kind == INCIDENT):
            about = {
                name: line.data[name]
                for name in ("field", "value", "fields", "words")
                if line.data.get(name) is not None
            }
            yield WORDS[line.kind], {**_place(case, link), **about}
    for link in case.links.values():
        before = (link._was or {}).get("notes") or {}
        for name, words in link.remarks.items():
            if before.get(name) != words:
                yield NOTED, {**_place(case, link), "field": name, "words": words}


def _place(case: Case, link: Link) -> dict[str, str]:
    return {"incident": case.incident.name, "connection": link.connection, "link": link.id}


def log_problems(found: list[Problem]) -> None:
    """After the commit: what was taken back with its transaction did not happen."""
    for words, about in found:
        log.warning(words, extra=about)
