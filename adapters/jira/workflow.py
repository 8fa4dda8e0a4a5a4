"""Jira's status is not a field: it changes by transitions, whose ids depend on the workflow, the issue's status and the
account. Without a direct transition, a target is reached in several steps.

The path is, in this order: the configured one (`walks`); a direct transition; the shortest path through transitions
that issues have offered before (kept in the connection's notebook); a path through one status in which no issue has
been read yet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from hub.domain.values import Json
from hub.ports import Notebook

PAGE = "workflow"

Transition = Mapping[str, Json]


def target_of(transition: Transition) -> str | None:
    """The name of the status that a transition leads to. A transition's own name is not reliable."""
    to = transition.get("to")
    name = to.get("name") if isinstance(to, dict) else None
    return name if isinstance(name, str) else None


def pick(transitions: Iterable[Transition], target: str) -> Transition | None:
    """The transition into the status `target`; preferably one without a screen, which requires no fields."""
    fitting = [t for t in transitions if target_of(t) == target and t.get("isAvailable", True) is not False]
    return min(fitting, key=lambda t: (bool(t.get("hasScreen")), str(t.get("id"))), default=None)


_WRAPPED = {
    "resolution": "name",
    "priority": "name",
    "version": "name",
    "component": "name",
    "issuetype": "name",
    "option": "value",
}
"""Type of a screen's field → the key under which Jira accepts a plain string for it."""


def _wrapped(value: Json, schema: Mapping[str, Json]) -> Json:
    if schema.get("type") == "array" and isinstance(value, list):
        return [_wrapped(v, {"type": schema.get("items")}) for v in value]
    key = _WRAPPED.get(str(schema.get("type")))
    return {key: value} if key and isinstance(value, str) else value


def screen(
    transition: Transition, resolution: str | None, given: Mapping[str, Json]
) -> tuple[dict[str, Json], list[str]]:
    """(the values for the transition's screen, the required fields without a configured value).

    The resolution is set wherever the screen shows it: an issue that is Done without one counts as unresolved in Jira.
    """
    filled: dict[str, Json] = {}
    missing: list[str] = []
    fields = transition.get("fields")
    for name, about in sorted((fields if isinstance(fields, dict) else {}).items()):
        required = bool(about.get("required")) and not about.get("hasDefaultValue")
        if name == "resolution" and resolution:
            filled[name] = {"name": resolution}
        elif name in given and required:
            filled[name] = _wrapped(given[name], about.get("schema") or {})
        elif required:
            missing.append(name)
    return filled, missing


class Workflow:
    """The known part of the connection's workflow: status → the statuses that an issue in it offered last."""

    def __init__(self, notebook: Notebook, walks: Mapping[str, Sequence[str]], words: Sequence[str]) -> None:
        self._notebook, self._walks, self._words = notebook, walks, list(dict.fromkeys(words))
        self._lock = threading.Lock()

    def graph(self) -> dict[str, list[str]]:
        page = self._notebook.read(PAGE)
        return dict(page) if isinstance(page, dict) else {}

    def learn(self, status: str | None, transitions: Iterable[Transition]) -> None:
        """Stores the transitions that an issue in `status` offers, if they differ from the stored ones."""
        offered = sorted({t for x in transitions if (t := target_of(x)) is not None})
        if status is None or not offered:
            return
        with self._lock:
            graph = self.graph()
            if graph.get(status) != offered:
                self._notebook.write(PAGE, {**graph, status: offered})

    def way(self, now: str, target: str) -> list[str]:
        """The statuses from `now` (exclusive) to `target` (inclusive); [] if no path is known."""
        if now == target:
            return [target]
        path = list(self._walks.get(target, ()))
        if path:
            return path[path.index(now) + 1 :] if now in path else path
        graph = self.graph()
        return self._shortest(graph, now, target) or self._guess(graph, now, target)

    def _shortest(self, graph: Mapping[str, Sequence[str]], now: str, target: str) -> list[str]:
        ways: list[list[str]] = [[now]]
        seen = {now}
        while ways:
            way = ways.pop(0)
            for step in graph.get(way[-1], ()):
                if step == target:
                    return [*way[1:], step]
                if step not in seen:
                    seen.add(step)
                    ways.append([*way, step])
        return []

    def _guess(self, graph: Mapping[str, Sequence[str]], now: str, target: str) -> list[str]:
        """A path through one status whose transitions are unknown. Only a status in the vocabulary is used: in any
        other the field would freeze."""
        for middle in self._words:
            if middle in (now, target) or middle in graph:
                continue
            if way := self._shortest(graph, now, middle):
                return [*way, target]
        return []
