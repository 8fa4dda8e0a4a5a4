"""Finds adapters by vendor name: the ones in this package, and third parties' through the entry-point group
`lockstep.adapters`. An entry is a module (or object) with `PROTOCOL`, `NAME` and `build(spec: Spec) -> Adapter`.
Optional:

* `PLACE`: the settings that together locate a connection's objects, for vendors where two connections must not share
  them; the last one is required. `ANY_CASE`: those that the vendor compares without regard to case.
* `SETTINGS`: the names of all its settings. `config check` then refuses any other, and any vocabulary for an unknown
  field.
* `needs(settings)`: the modules that a connection with these settings requires: module → the requirement that installs
  it (`{"jira": "lockstep-hub[jira]"}`). Where one is not installed, the connection is left out. So `build` must not
  import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from adapters.http import Wire
from hub.domain.capability import Rate
from hub.ports import PROTOCOL, Adapter, Clock, Ids, LeftOut, Notebook, Secrets
from hub.settings.addresses import same, web_problem
from hub.settings.models import ConnectionTable

BUILT_IN = ("pagerduty", "jira", "statuspage", "cachet", "teams")


@dataclass(frozen=True)
class Spec:
    """Everything that an adapter is built from: plain values and ports, so that a third party's needs no other module
    of the hub.

    name: the connection's ("jira-payments"). settings: its table in `lockstep.toml`, without secrets.
    vocabulary: field → list of [our word, their word], from the packaged tables overlaid by the connection's own;
    `people` and `services` are such tables too (our id, their id).
    service_names: our service id → the name that customers know.
    base_url: the address of the hub's own pages, for links in texts; may be "".
    """

    name: str
    settings: Mapping[str, Any]
    vocabulary: Mapping[str, list[list[Any]]]
    secrets: Secrets
    notebook: Notebook
    wire: Wire
    clock: Clock
    ids: Ids
    service_names: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""


class UnknownVendor(LookupError):
    """There is no adapter for that vendor name; the message lists the known ones."""


class CannotImport(ImportError):
    """A third party's adapter imports something that is not installed; the message names it."""


def vendors() -> dict[str, Callable[[], Any]]:
    """vendor name → loader of its adapter module."""
    from importlib.metadata import entry_points

    found: dict[str, Callable[[], Any]] = {
        name: partial(import_module, f"adapters.{name}.adapter") for name in BUILT_IN
    }
    for entry in entry_points(group="lockstep.adapters"):
        found.setdefault(entry.name, entry.load)
    return found


def _module(vendor: str) -> Any:
    """The vendor's adapter module. Entry points are read only for a vendor that is not built in: reading them takes as
    long as the rest of `config check`. Raises UnknownVendor, CannotImport."""
    if vendor in BUILT_IN:
        return import_module(f"adapters.{vendor}.adapter")
    loaders = vendors()
    if vendor not in loaders:
        raise UnknownVendor(f"no adapter {vendor!r}; known adapters: {', '.join(sorted(loaders))}")
    try:
        return loaders[vendor]()
    except ImportError as e:
        raise CannotImport(str(e)) from None


def lacks(vendor: str, settings: Mapping[str, Any]) -> LeftOut | None:
    """Which packages this connection requires that are not installed; None if all are. Raises UnknownVendor."""
    try:
        needs = getattr(_module(vendor), "needs", None)
    except CannotImport as e:
        return LeftOut(
            f"the adapter {vendor!r} cannot be imported: {e}", "install what it imports, then restart the hub"
        )
    absent = {name: what for name, what in needs(settings).items() if not _installed(name)} if needs else {}
    if not absent:
        return None
    words = f"the package {', '.join(absent)} is not installed" if len(absent) == 1 else f"the packages {', '.join(absent)} are not installed"  # fmt: skip
    ask = " ".join(f"'{what}'" for what in dict.fromkeys(absent.values()))
    return LeftOut(
        words, f"run `pip install {ask}` where the hub runs (an image: build it with the extra), then restart it"
    )


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def build(vendor: str, spec: Spec) -> Adapter:
    """Raises UnknownVendor, CannotImport, or ValueError that names the wrong setting."""
    try:
        module = _module(vendor)
    except UnknownVendor as e:
        raise UnknownVendor(f"connection {spec.name}: {e}") from None
    if module.PROTOCOL != PROTOCOL:
        raise UnknownVendor(f"adapter {vendor!r} implements protocol {module.PROTOCOL}; the hub requires {PROTOCOL}")
    try:
        adapter: Adapter = module.build(spec)
    except (AttributeError, KeyError, IndexError, TypeError) as e:
        kinds = ", ".join(f"{key} is {_kind(value)}" for key, value in spec.settings.items() if key != "vendor")
        words = f"a setting has a type that the adapter does not accept ({kinds}); compare them with its README"
        raise ValueError(f"{words} [{type(e).__name__}]") from None
    _own_limits(adapter, spec.settings)
    return adapter


def place(vendor: str, settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Where a connection's objects are: setting → normalised value. None where the settings alone do not determine it
    (the account's token does)."""
    module = _module(vendor)
    keys, any_case = getattr(module, "PLACE", ()), getattr(module, "ANY_CASE", ())
    if not keys or settings.get(keys[-1]) is None:
        return None
    found = {key: same(value) if isinstance(value := settings.get(key), str) else value for key in keys}
    return {key: v.casefold() if key in any_case and isinstance(v, str) else v for key, v in found.items()}


def unknown(vendor: str, given: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The given settings that neither the hub nor this vendor's adapter knows, each with ", did you mean ...?". None
    where the adapter has no `SETTINGS`, or is not installed."""
    known = _declared(vendor) or frozenset(given)
    yield from _not_among(given, known | ConnectionTable.model_fields.keys())


def unknown_tables(vendor: str, given: Iterable[str], packaged: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The same for the fields in a connection's vocabulary. packaged: those for which tables come with the product."""
    if _declared(vendor):
        yield from _not_among(given, {*packaged, "people", "services"})


def wrong_addresses(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each setting that looks like a web address and is not a valid one, with the reason."""
    for key, value in settings.items():
        if isinstance(value, str) and value.startswith(("https://", "http://")) and (why := web_problem(value)):
            yield key, why


def _declared(vendor: str) -> frozenset[str]:
    try:
        return frozenset(getattr(_module(vendor), "SETTINGS", ()))
    except (UnknownVendor, CannotImport):
        return frozenset()


def _not_among(given: Iterable[str], known: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    for key in given:
        if key not in known:
            close = get_close_matches(key, sorted(known), n=1)
            yield key, f" (did you mean {close[0]!r}?)" if close else ""


def _own_limits(adapter: Adapter, settings: Mapping[str, Any]) -> None:
    """Apply the connection's own rate settings: an account may be allowed more or less than the vendor documents."""
    if (calls := settings.get("calls_per_minute")) is not None:
        adapter.capabilities = replace(adapter.capabilities, rates=(Rate(calls, 60.0),))
    if (at_once := settings.get("calls_at_once")) is not None:
        adapter.capabilities = replace(adapter.capabilities, concurrency=at_once)


def _kind(value: Any) -> str:
    """The type of a setting, as an error message names it."""
    kinds = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return kinds.get(type(value), "something else")
