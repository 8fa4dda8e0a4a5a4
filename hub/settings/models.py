"""The models of `lockstep.toml`, one for each table. `hub.settings.load` checks the names that tables use of each other
and builds the engine's own values."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from hub.domain.authority import MOVES, RULES
from hub.domain.incident import FIELDS, IMPACTS, SEVERITIES
from hub.domain.policy import SLOT, SLOT_WORDS, Public
from hub.domain.values import INCIDENT
from hub.settings.addresses import web_problem

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
"""The name of a connection: it is part of URL paths and of variables' names."""
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]
"""The id of a service or a person."""


def _slot(value: str) -> str:
    if not SLOT.fullmatch(value):
        raise ValueError(f"{value!r} {SLOT_WORDS}")
    return value


Slot = Annotated[str, AfterValidator(_slot)]


def _in(*words: str) -> AfterValidator:
    """Accepts only these words."""

    def check(value: str) -> str:
        if value not in words:
            raise ValueError(f"{value!r} is not one of {', '.join(words)}")
        return value

    return AfterValidator(check)


def _web_address(value: str) -> str:
    if value and (what := web_problem(value)):
        raise ValueError(what)
    return value.rstrip("/")


def _template(value: str) -> str:
    try:
        parts = list(Formatter().parse(value))
    except ValueError:
        parts = [("", None, "", None)]
    if any(
        (name, form, conversion) not in ((None, None, None), ("services", "", None))
        for _, name, form, conversion in parts
    ):
        raise ValueError("the only placeholder is {services}; write {{ and }} for braces")
    return value


Severity = Annotated[str, _in(*SEVERITIES)]
Impact = Annotated[str, _in(*IMPACTS)]
Move = Annotated[str, _in(*MOVES)]
Rule = Annotated[str, _in(*RULES)]
IncidentField = Annotated[str, _in(*FIELDS[INCIDENT])]
AnyField = Annotated[str, _in("*", *sorted({name for fields in FIELDS.values() for name in fields}))]
Template = Annotated[str, AfterValidator(_template)]
RemoteId = str | int
RemoteIds = RemoteId | list[RemoteId]


class Shape(BaseModel):
    """Base of a table that may have no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class HubTable(Shape):
    """[hub]"""

    base_url: Annotated[str, AfterValidator(_web_address)] = ""
    database: str = ""
    redis: str = "embedded"
    data_dir: str = ".lockstep"
    trusted_proxies: Annotated[int, Field(ge=0, le=9)] = 0


class ConnectionTable(BaseModel):
    """[connections.NAME]: the hub's own keys. All others are the vendor's and are checked by its adapter."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    vendor: Annotated[str, StringConstraints(min_length=1)]
    state: Literal["observe", "enabled", "disabled"] = "observe"
    order: int | None = None
    calls_per_minute: Annotated[int, Field(ge=1)] | None = None
    calls_at_once: Annotated[int, Field(ge=1)] | None = None
    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] | None = None


class LinkTable(Shape):
    """[[policy.links]]"""

    connection: str
    slot: Slot = "primary"
    severity_at_least: Severity | None = None
    services: list[str] | None = None
    hold: bool = False


class PublicTable(Shape):
    """[policy.public]"""

    title: Template = Public().title
    text: Template = Public().text
    free: list[IncidentField] = sorted(Public().free)
    withdraw_when_closed: bool = True


class PolicyTable(Shape):
    """[policy]"""

    links: list[LinkTable] = []
    opens: list[str] = []
    creates_per_minute: Annotated[int, Field(ge=0)] = 60
    comments: bool = True
    impact_of: dict[Severity, Impact] = {}
    public: PublicTable = PublicTable()


class AuthorityLine(Shape):
    """[[authority]]"""

    field: AnyField = "*"
    vendor: str = "*"
    take: list[Move] = []
    review: list[Move] = []
    rule: Rule = "latest"
    rank: int = 5
    why: str = ""


class ServiceTable(Shape):
    """[services.ID]"""

    name: Annotated[str, StringConstraints(min_length=1)]
    ids: dict[str, RemoteIds] = {}


class PersonTable(Shape):
    """[people.ID]"""

    name: Annotated[str, StringConstraints(min_length=1)]
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    accounts: dict[str, str] = {}


def _words(pair: list[Any]) -> list[Any]:
    ours, theirs = pair
    if isinstance(ours, list | dict) or not _is_word(theirs):
        raise ValueError("a word is a text, a number, true or false; the vendor's may be a list of these")
    return pair


def _is_word(value: Any) -> bool:
    return all(map(_is_word, value)) if isinstance(value, list) else not isinstance(value, dict)


Pair = Annotated[list[Any], Field(min_length=2, max_length=2), AfterValidator(_words)]


class Document(Shape):
    """The whole file."""

    hub: HubTable = HubTable()
    connections: dict[Name, ConnectionTable] = {}
    policy: PolicyTable = PolicyTable()
    authority: list[AuthorityLine] = []
    services: dict[Id, ServiceTable] = {}
    people: dict[Id, PersonTable] = {}
    vocabulary: dict[str, dict[str, list[Pair]]] = {}
