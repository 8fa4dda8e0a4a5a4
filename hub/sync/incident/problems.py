"""Log lines for problems of links: one line when a problem begins, after the commit.

What waits for a person is also on the link, in the API, and in `hub.services.attention`, for as long as it lasts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from hub.domain.values import INCIDENT
from hub.store.records import Link
from hub.sync.incident.case import Case, Problem

log = logging.getLogger(__name__)

WORDS: Mapping[str, str] = {
    "unknown_word": "the vendor shows a word that is not mapped; the hub leaves the field alone. Add a pair to [vocabulary] in lockstep.toml, and restart",
    "refused": "the vendor refused a write. Correct the cause, then run `lockstep failed-writes retry ID`",
    "unreachable": "the vendor does not show an object: it was deleted, or the hub's account may not read it. Grant permission, or run `lockstep link unlink ID`",
    "gone": "an object was deleted at the vendor; the hub writes nothing there any more",
    "duplicate": "an object was created twice; the hub closes the second one",
}
"""Kind of journal line → message."""

NOTED = "the vendor cannot show a field as it is"


def problems(case: Case) -> Iterator[Problem]:
    """The problems that began in this case. To be called before it is saved."""
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
        for name, words in link.reasons.items():
            if before.get(name) != words:
                yield NOTED, {**_place(case, link), "field": name, "words": words}


def _place(case: Case, link: Link) -> dict[str, str]:
    return {"incident": case.incident.name, "connection": link.connection, "link": link.id}


def log_problems(found: list[Problem]) -> None:
    """Logs each problem. To be called after the commit, so that nothing is logged that was rolled back."""
    for words, about in found:
        log.warning(words, extra=about)
