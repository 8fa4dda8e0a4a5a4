"""Builds an adapter for each configured connection; part of the composition root. Needs no store, so that `lockstep config check`
can use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from adapters.http import Wire
from adapters.registry import (
    CannotImport,
    Spec,
    UnknownVendor,
    build,
    lacks,
    place,
    unknown,
    unknown_tables,
    wrong_addresses,
)
from hub.clock import SystemClock, SystemIds
from hub.domain.errors import VendorError
from hub.domain.values import Json
from hub.ports import Adapter, Clock, Ids, LeftOut, Notebook, Secrets
from hub.settings.environment import vault_key_problem
from hub.settings.load import Settings, SettingsError
from hub.sync.limits.guard import guarded
from mappings.vocabulary import BadTable, overlay, packaged


@dataclass
class Connected:
    """adapters: by connection. left_out: connections that cannot be used, with the reason."""

    adapters: dict[str, Adapter] = field(default_factory=dict)
    left_out: dict[str, LeftOut] = field(default_factory=dict)


class NoNotebook:
    """A `Notebook` for adapters that are only checked."""

    def read(self, name: str) -> Json | None:
        return None

    def write(self, name: str, value: Json) -> None:
        return None


def checked(settings: Settings) -> Connected:
    """Checks the connections without a store. Makes no network call. Raises SettingsError."""
    if problem := vault_key_problem(settings.vault_key):
        raise SettingsError([problem])
    return connect(settings, SystemClock(), SystemIds(), settings.secrets)


def connect(
    settings: Settings,
    clock: Clock,
    ids: Ids,
    secrets: Callable[[str], Secrets],
    notebook: Callable[[str], Notebook] | None = None,
    wire: Wire | None = None,
) -> Connected:
    """An adapter for each connection. One whose client library is not installed is checked like the others and left out.
    notebook: None where the adapters are only checked. Raises SettingsError with every problem of every connection."""
    found, wire = Connected(), wire or Wire()
    problems: list[str] = []
    places: dict[str, str] = {}
    for name, connection in settings.config.connections.items():
        problems += _misspelt(settings, name)
        try:
            lacking = lacks(connection.vendor, connection.settings)
            spec = Spec(
                name=name,
                settings=connection.settings,
                vocabulary=overlay(connection.vendor, settings.vocabulary.get(name, {})),
                secrets=secrets(name),
                notebook=notebook(name) if notebook else NoNotebook(),
                wire=wire,
                clock=clock,
                ids=ids,
                service_names=settings.config.services,
                base_url=settings.config.base_url,
            )
            if lacking is not None:
                found.left_out[name] = lacking
            adapter = guarded(name, build(connection.vendor, spec))
            if lacking is None:
                found.adapters[name] = adapter
            problems += _shared(settings, name, places)
        except CannotImport:  # a third party's adapter, reported by `lacks`; its settings cannot be checked here
            continue
        except (ValueError, UnknownVendor, BadTable, VendorError) as e:
            problems.append(f"{settings.path}: [connections.{name}]: {e}")
    if problems:
        raise SettingsError(problems)
    return found


def _misspelt(settings: Settings, name: str) -> Iterator[str]:
    """Unknown keys and vocabulary tables of a connection, and wrong addresses in it."""
    connection = settings.config.connections[name]
    at, vendor = f"{settings.path}: [connections.{name}]", connection.vendor
    for key, hint in unknown(vendor, connection.settings):
        yield f"{at}.{key}: unknown key; there is no such key here; remove it or correct its name{hint}"
    for key, why in wrong_addresses(connection.settings):
        yield f"{at}.{key}: {why}; correct it"
    for table, hint in unknown_tables(vendor, settings.vocabulary.get(name, {}), packaged(vendor)):
        text = "this vendor has no vocabulary for such a field; remove it or correct its name"
        yield f"{settings.path}: [vocabulary.{name}].{table}: {text}{hint}"


def _shared(settings: Settings, name: str, places: dict[str, str]) -> Iterator[str]:
    """A problem if another connection leads to the same account: each object would be linked twice. places: those seen so far →
    their connection."""
    connection = settings.config.connections[name]
    where = place(connection.vendor, connection.settings)
    if where is None or connection.state == "disabled":
        return
    other = places.setdefault(repr((connection.vendor, where)), name)
    if other != name:
        keys = ", ".join(key for key, value in where.items() if value is not None)
        remedy = 'remove one of them, or set its state to "disabled"'
        yield f"{settings.path}: [connections.{name}]: leads to the same place as {other!r} ({keys}); {remedy}"
