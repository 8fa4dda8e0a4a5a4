"""The simulated company: its connections, people, services and policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hub.domain.capability import CreateSafety
from hub.domain.policy import Config, ConnectionConfig, LinkRule, Policy, Public
from hub.domain.values import COMMENT, INCIDENT, UPDATE
from hub.store.connections import move_cursor
from hub.store.records import Connection, save
from tests.simulation.adopting import OLD
from tests.simulation.coverage import Coverage, counting
from tests.simulation.server import Server
from tests.simulation.styles import PEOPLE, SERVICES, STYLES, Style, posts_only

if TYPE_CHECKING:
    from tests.simulation.world import World

CONNECTIONS = {"pd": "pagerduty", "jira": "jira", "page": "statuspage", "chat": "teams"}
PREFIX = {"pd": "PU", "jira": "JU", "chat": "TU"}
"""Connection → prefix of the ids of people's accounts there."""


BLIND: dict[str, Any] = {"create": CreateSafety.NEITHER, "reads": False, "edits": False}
"""Capabilities of a page whose updates can be neither read, found, edited nor deleted."""


def policy() -> Policy:
    return Policy(
        links=(
            LinkRule("pd", severity_at_least="SEV4"),
            LinkRule("jira", severity_at_least="SEV3"),
            LinkRule("chat"),
            LinkRule("page", services=frozenset({"checkout"}), hold=True),
        ),
        opens=frozenset({"pd", "jira"}),
        public=Public(free=frozenset({"status", "severity", "impacts"})),
        creates_per_minute=40,
    )


def config(coverage: Coverage) -> Config:
    return Config(
        connections={
            name: ConnectionConfig(name, vendor, "enabled", order)
            for order, (name, vendor) in enumerate(CONNECTIONS.items())
        },
        policy=policy(),
        authority=counting(coverage),
        services={s: s.title() for s in SERVICES},
        people={
            p: {"name": p.title(), "email": f"{p}@example.org", "accounts": {c: f"{x}-{p}" for c, x in PREFIX.items()}}
            for p in PEOPLE
        },
        base_url="https://hub.example",
    )


def varied(world: World) -> dict[str, Style]:
    """The four vendors as this seed configures them: accounts, plans and routes differ between companies."""
    styles = {name: STYLES[vendor]() for name, vendor in CONNECTIONS.items()}
    rng = world.rng
    if rng.random() < 0.15:
        styles["chat"] = posts_only(styles["chat"])
    elif rng.random() < 0.3:
        styles["chat"] = styles["chat"].with_kind(COMMENT, deletes=False).with_field(COMMENT, "deleted", write="never")
    if rng.random() < 0.3:
        styles["jira"] = (
            styles["jira"].with_kind(COMMENT, edits=False, deletes=False).with_field(COMMENT, "deleted", write="never")
        )
    if rng.random() < 0.3:
        styles = {name: replace(style, names_field=False) for name, style in styles.items()}
    if rng.random() < 0.3:
        styles["page"] = replace(styles["page"], listing=False)
    if rng.random() < 0.3:
        styles["page"] = styles["page"].with_kind(UPDATE, **BLIND)
    if world.faults.press:
        styles["page"] = styles["page"].with_kind(UPDATE, **BLIND)
    if world.faults.cards and styles["chat"].commands:
        styles["chat"] = replace(styles["chat"], editable=("title", "severity", "status"))
    return styles


def attic(world: World) -> None:
    """Makes objects that existed before the hub was connected; no webhook is sent for them."""
    for name in ("pd", "jira"):
        server = world.servers[name]
        server.on_event, loud = lambda event, thing, by: None, server.on_event
        word = {"pd": "triggered", "jira": "To Do"}[name]
        services = {"pd": "PS-mail", "jira": ["JC-mail"]}[name]
        thing = server.make(INCIDENT, {"title": f"old {name}", "status": word, "services": services}, "bob")
        thing.born -= OLD
        server.on_event = loud


def servers(world: World, styles: Mapping[str, Style] | None) -> dict[str, Server]:
    """The vendors' accounts, without objects."""
    made = {}
    for name, style in (styles or varied(world)).items():
        skew = world.sky.uniform(-world.faults.skew, world.faults.skew)
        server = Server(name, style, world.clock, timedelta(seconds=skew))
        server.on_change = lambda thing, entry, server=server: world.ledger.changed(server, thing, entry)
        server.on_event = lambda event, thing, by, server=server: world.network.emit(server, event, thing, by)
        made[name] = server
    return made


def connect(world: World, names: list[str]) -> None:
    """Makes the connections as set-up leaves them: enabled an hour ago."""
    began = world.clock.now() - timedelta(hours=1)
    with world.store.unit() as tx:
        for name in names:
            vendor = world.config.connections[name].vendor
            save(tx, Connection(name, vendor, "enabled", created_at=began, activated_at=began))
            move_cursor(tx, name, None, None, world.clock.now())
