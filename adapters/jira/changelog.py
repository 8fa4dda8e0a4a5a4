"""Jira's change history: the changes of an issue's fields between a read and a write of the hub's.

Cloud shows the latest hundred entries with the issue, newest first, and pages through the rest; Data Center shows all.
Vendor document: "Issues: Get changelogs", Jira REST API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from adapters.http import pages, parsing
from adapters.jira.client import Client
from adapters.jira.labels import visible
from adapters.jira.wire import FIELD_NAMES, Dialect, actor
from hub.domain.values import Change, Json

_PAGE = 100

Entry = Mapping[str, Json]


class Changelog:
    """The change history of one connection's issues."""

    def __init__(self, client: Client, dialect: Dialect) -> None:
        self._client, self._dialect = client, dialect
        self._names: dict[str, str] = {}

    def after(self, issue: str, since: Json | None) -> tuple[Sequence[Change], Json]:
        """(changes after the entry `since`, oldest first; the id of the last entry). See `hub.ports.Historian`."""
        path = f"issue/{issue}"
        found = self._client.get(path, "changelog", "fields", absent_ok=True, fields="components", expand="changelog")
        if found is None:
            return (), since
        with parsing("the change history"):
            return self._read(path, found, since)

    def _read(self, path: str, found: Mapping[str, Json], since: Json | None) -> tuple[Sequence[Change], Json]:
        page = found["changelog"]
        entries = {int(h["id"]): h for h in page.get("histories") or ()}
        if since is not None and len(entries) < page.get("total", 0) and min(entries, default=0) > int(since):
            entries |= self._all(path)
        position = str(max(entries, default=int(since or 0)))
        if since is None:
            return (), position
        components = [c["name"] for c in (found.get("fields") or {}).get("components") or ()]
        new = [entries[i] for i in sorted(entries) if i > int(since)]
        return [self._by_name(c) for c in changes(new, components, self._dialect)], position

    def _all(self, path: str) -> dict[int, Entry]:
        entries: dict[int, Entry] = {}
        start = 0
        counted = pages()
        while True:
            next(counted)
            page = self._client.get(f"{path}/changelog", "values", startAt=start, maxResults=_PAGE)
            values = page.get("values") or []
            entries |= {int(h["id"]): h for h in values}
            start += len(values)
            if not values or start >= page["total"]:
                return entries

    def _by_name(self, change: Change) -> Change:
        """On Data Center a changelog has people's user keys, which no other call uses: replaces them by user names."""
        if self._dialect.cloud or change.field != "assignees":
            return change
        return replace(change, before=self._name_of(change.before), after=self._name_of(change.after))

    def _name_of(self, key: Json) -> Json:
        if not key:
            return None
        if key not in self._names:
            found = self._client.get("user", absent_ok=True, key=str(key))
            self._names[key] = (found or {}).get("name") or str(key)
        return self._names[key]


def changes(entries: Sequence[Entry], components: Sequence[str], dialect: Dialect) -> list[Change]:
    """Entries, oldest first, as changes of the hub's fields. Pure.

    Each added or removed component is an item of its own. The whole sets are computed backwards from `components`, the
    present ones, and each entry becomes one change.
    """
    found: list[Change] = []
    now = list(components)
    for entry in reversed(entries):
        after = list(now)
        for name, item in _items(entry):
            if name == "services":
                now = [c for c in now if c != item.get("toString")]
                now += [item["fromString"]] if item.get("fromString") else []
        for name, item in _items(entry):
            if name != "services":
                found.append(_change(entry, name, *_both(name, item, dialect)))
        if now != after:
            found.append(_change(entry, "services", sorted(now), sorted(after)))
    return found[::-1]


def _items(entry: Entry) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """The items about the hub's fields, last first."""
    for item in reversed(entry.get("items") or ()):
        name = FIELD_NAMES.get(str(item.get("field")))
        if name is not None:
            yield name, item


def _change(entry: Entry, name: str, before: Json, after: Json) -> Change:
    return Change(str(entry.get("id")), name, before, after, actor(entry.get("author")))


def _both(name: str, item: Mapping[str, Json], dialect: Dialect) -> tuple[Json, Json]:
    """(before, after), in Jira's values. Names are in `fromString` and `toString`, people's ids in `from` and `to`,
    labels are one joined text."""
    before, after = item.get("fromString"), item.get("toString")
    if name == "tags":
        return visible((before or "").split()), visible((after or "").split())
    if name == "assignees":
        return item.get("from"), item.get("to")
    if name == "description":
        return dialect.plain(before), dialect.plain(after)
    return before, after
