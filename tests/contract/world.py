"""A vendor's world for the contract suite: an adapter, its stand-in in process, a virtual clock, and people's actions.

One module for each vendor in `tests/contract/worlds/`, with `WORLDS: dict[str, Callable[[], World]]` (one entry for each variant:
`jira-cloud`, `jira-dc`, ...). The suite in this folder runs on every one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapters.http import Wire
from adapters.sandboxing import Sandbox
from hub.clock import ManualClock, SeededIds
from hub.domain.errors import Unauthorised
from hub.domain.values import Desired, Json, Ref, Request
from hub.ports import Adapter


class World(Protocol):
    name: str
    adapter: Adapter
    sandbox: Sandbox
    clock: ManualClock
    secrets: MemorySecrets
    contract: str | None
    """The document in the contracts folder against which the exchanges must be valid, and
    `contract_base`: the URL prefix of the document's paths."""
    contract_base: str

    def sample(self, kind: str) -> Desired:
        """A valid object of that kind to create; makes the parent that it needs."""
        ...

    def another(self, kind: str, field: str, now: Json) -> Json:
        """A valid value of the field, in the vendor's words, that differs from `now` and can be reached by one update
        (for a set or map: the whole new value)."""
        ...

    def person_makes(self, kind: str, parent: Ref | None = None) -> Ref:
        """A person creates an object in the vendor's own UI."""
        ...

    def person_edits(self, ref: Ref, field: str, value: Json) -> None: ...

    def person_deletes(self, ref: Ref) -> None: ...

    def webhooks(self) -> Sequence[Request]:
        """Takes the webhooks that the stand-in has queued, as the hub would receive them (none for vendors without webhooks)."""
        ...

    def badly_signed(self, request: Request) -> Sequence[tuple[str, Request]]:
        """(the fault, the request with that fault): missing, malformed and false credentials."""
        ...

    def rotate(self) -> None:
        """A new signing secret beside the old one; the stand-in signs with the new one."""
        ...

    def forbid(self) -> None:
        """The stand-in stops accepting our API credential."""
        ...


class MemorySecrets:
    """Secrets in memory."""

    def __init__(self, **values: str | list[str]) -> None:
        self.values: dict[str, list[str]] = {k: [v] if isinstance(v, str) else list(v) for k, v in values.items()}

    def get(self, name: str) -> str:
        if not self.values.get(name):
            raise Unauthorised(f"secret {name!r} is not set")
        return self.values[name][0]

    def all(self, name: str) -> Sequence[str]:
        return tuple(self.values.get(name, ()))

    def put(self, name: str, value: str) -> None:
        self.values.setdefault(name, []).insert(0, value)

    def refresh(self) -> None:
        return None


class MemoryNotebook:
    """A notebook in memory."""

    def __init__(self) -> None:
        self.pages: dict[str, Json] = {}

    def read(self, name: str) -> Json | None:
        return self.pages.get(name)

    def write(self, name: str, value: Json) -> None:
        self.pages[name] = value


@dataclass
class Parts:
    """The ports that every world is built from."""

    clock: ManualClock = field(default_factory=ManualClock)
    ids: SeededIds = field(default_factory=lambda: SeededIds(7))
    notebook: MemoryNotebook = field(default_factory=MemoryNotebook)

    def wire(self, sandbox: Sandbox, *prefixes: str) -> Wire:
        return Wire(mounts=dict.fromkeys(prefixes, sandbox.requests_adapter))


VOCABULARY: Mapping[str, list[list[Any]]] = {
    "people": [],
    "services": [],
}
