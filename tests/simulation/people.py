"""Actions of people, at random: on every vendor's own pages, in chat, and in the hub. Only possible actions are taken."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from hub import services
from hub.domain.incident import SEVERITIES, STATUSES
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Json, Ref
from hub.sync.hub import Hub
from tests.simulation.choices import choose, recur
from tests.simulation.server import AS_HUB, Server, Thing
from tests.simulation.styles import PEOPLE, REFUSED_TEXT, SERVICES, TAGS

if TYPE_CHECKING:
    from tests.simulation.world import World

MOST_INCIDENTS = 5
"""Most incidents of one run, so that people's actions meet at the same ones."""

EDITABLE = (COMMENT, UPDATE)


class People:
    """Draws actions. Each action is a method that returns False if it is not possible now."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = world.rng
        self.services = SERVICES[2:] if world.faults.sprawl else SERVICES
        self.severities = SEVERITIES[3:] if world.faults.sprawl else SEVERITIES[:4]
        self._count = 0
        self.memory = random.Random(f"{world.seed}/memory")
        self.read: dict[str, dict[str, Any]] = {}
        self.deeds: list[tuple[int, Callable[[], bool]]] = [
            (30, self.edit_at_vendor),
            (12, self.edit_in_hub),
            (8, self.comment_at_vendor),
            (4, self.comment_in_hub),
            (5, self.change_comment_at_vendor),
            (3, self.change_comment_in_hub),
            (6, self.command),
            (4, self.open_at_vendor),
            (3, self.open_in_hub),
            (4, self.approve),
            (2, self.publish),
            (1, self.merge_at_vendor),
            (1, self.merge_in_hub),
            (1, self.delete_at_vendor),
            (1, self.unlink),
            (2, self.relink),
            (2, self.review),
            (2, self.decide_unmatched),
            (1, self.retry),
            (3, self.vendor_by_itself),
            (1, self.pause),
        ]
        if world.faults.press:
            self.deeds += [(12, self.approve), (12, self.publish)]
        if world.faults.recurring:
            self.deeds.append((5, self.recur))

    def act(self) -> None:
        """Takes one possible action, if there is any."""
        for _ in range(4):
            deed = self.rng.choices([d for _, d in self.deeds], [w for w, _ in self.deeds])[0]
            if deed():
                self.world.coverage.deeds[deed.__name__] += 1
                return

    def words(self, what: str) -> str:
        """A text that occurs once in a run."""
        self._count += 1
        text = f"{what} {self._count}"
        if self.world.chance(self.world.faults.refusals) and what == "title":
            return f"{text} {REFUSED_TEXT}"
        return text + " x" * 140 if self.rng.random() < 0.04 else text

    def person(self) -> str:
        return self.rng.choice(PEOPLE)

    def hand(self) -> str:
        """A person as author; sometimes one who is logged in as the hub."""
        return (AS_HUB if self.world.chance(self.world.faults.impersonation) else "") + self.person()

    # ------------------------------------------------------------------ at a vendor

    def _things(self, kind: str = INCIDENT) -> list[tuple[Server, Thing]]:
        return [
            (s, t) for s in self.world.servers.values() if kind in s.style.capabilities.kinds for t in s.things.values()
            if t.ref.kind == kind and t.state == "present" and not t.terminal and s.capability(kind).reads
        ]  # fmt: skip

    def edit_at_vendor(self) -> bool:
        places = [(s, t) for s, t in self._things() if s.style.editable]
        if not places:
            return False
        server, thing = self.rng.choice(places[-8:])
        name = self.rng.choice(server.style.editable)
        value = choose(self, server, thing, name)
        if value is None and name != "assignees":
            return False
        return server.change(thing, name, value, self.hand())

    def comment_at_vendor(self) -> bool:
        places = [(s, t) for s, t in self._things() if COMMENT in s.style.capabilities.kinds]
        if not places:
            return False
        server, thing = self.rng.choice(places[-8:])
        restricted = server.name == "jira" and self.rng.random() < 0.1
        text = self.words("secret" if restricted else "comment")
        if restricted:
            self.world.ledger.secrets.add(text)
        elif self.world.chance(self.world.faults.same_words):
            text = "+1"
        else:
            self.world.ledger.said[text] = server.name
        server.make(COMMENT, {"text": text}, self.person(), thing.ref, restricted=restricted)
        return True

    def change_comment_at_vendor(self) -> bool:
        things = [(s, t) for kind in EDITABLE for s, t in self._things(kind)]
        if not things:
            return False
        server, thing = self.rng.choice(things[-8:])
        if thing.ref.kind == COMMENT and self.rng.random() < 0.3:
            thing.fields["deleted"] = True
            server.delete(thing, self.person())
            return True
        return server.change(thing, "text", self.words("edited"), self.person())

    def open_at_vendor(self) -> bool:
        if len(self.incidents()) >= MOST_INCIDENTS:
            return False
        server = self.world.servers[self.rng.choice(("pd", "pd", "jira"))]
        service = self.rng.choice(self.services)
        if server.name == "pd":
            fields: dict[str, Json] = {
                "title": self.words("title"), "status": "triggered", "severity": ["P2", "high"], "services": f"PS-{service}",
                "assignees": [f"PU-{self.person()}"],
            }  # fmt: skip
        else:
            fields = {
                "title": self.words("title"), "status": "To Do", "severity": "High", "services": [f"JC-{service}"],
                "tags": ["db"], "description": self.words("description"),
            }  # fmt: skip
        kind = "maintenance" if self.rng.random() < 0.05 else "incident"
        server.make(INCIDENT, fields, self.person(), type=kind)
        return True

    def merge_at_vendor(self) -> bool:
        open_ones = [t for s, t in self._things() if s.style.merges and t.fields["status"] not in s.style.closed]
        if len(open_ones) < 2:
            return False
        loser, winner = self.rng.sample(open_ones, 2)
        self.world.servers["pd"].merge(loser, winner, self.person())
        return True

    def delete_at_vendor(self) -> bool:
        things = [(s, t) for s, t in self._things() if s.name in ("jira", "chat")]
        if not things or self.rng.random() < 0.5:
            return False
        server, thing = self.rng.choice(things)
        server.delete(thing, self.person())
        return True

    def vendor_by_itself(self) -> bool:
        """What the vendor does by itself: an acknowledgement times out, an incident escalates."""
        server = self.world.servers["pd"]
        things = [t for s, t in self._things() if s is server]
        if not things:
            return False
        thing = self.rng.choice(things)
        if self.world.chance(self.world.faults.expiry * 5):
            timed = [t for t in things if server.style.expires and t.fields["status"] == server.style.expires[0]]
            server.expire(self.memory.choice(timed) if timed else thing)
        elif self.world.chance(self.world.faults.escalation * 5):
            server.escalate(thing, [f"PU-{self.person()}"])
        else:
            return False
        return True

    def command(self) -> bool:
        cards = [(s, t) for s, t in self._things() if s.style.commands]
        if not cards:
            return False
        server, card = self.rng.choice(cards)
        verb = self.rng.choice(("ack", "resolve", "sev", "note", "status", "who"))
        argument = ""
        intended = self.world.ledger.intended
        if verb == "sev":
            argument = str(self.rng.randint(1, 5))
            intended["severity"].append(f"SEV{argument}")
        elif verb == "note":
            argument = self.words("note")
            self.world.ledger.said[argument] = "chat"
        elif verb == "status":
            argument = self.rng.choice(STATUSES[:5])
            intended["status"].append(argument)
        elif verb in ("ack", "resolve"):
            intended["status"].append("acknowledged" if verb == "ack" else "resolved")
        self.world.network.command(server, card, verb, argument, f"TU-{self.person()}")
        return True

    # ------------------------------------------------------------------ in the services

    def incidents(self) -> list[str]:
        return [
            r[0]
            for r in self.world.store.db.execute("SELECT id FROM incidents WHERE merged_into IS NULL ORDER BY number")
        ]

    def _ask(self, what: str, act: Callable[[Hub], Any]) -> bool:
        """A request to the web process. False when that is busy; a refused request is only noted."""
        web = self.world.actors["web"]
        if web.busy:
            return False
        self.world.counts["services"] += 1
        self.world.note(f"services: {what}")
        try:
            self.world.run(web, "services", act)
        except (services.NotFound, services.Conflict, services.Invalid) as e:
            self.world.note(f"  no: {e}")
        return True

    def _any_incident(self) -> str | None:
        known = self.incidents()
        return self.rng.choice(known) if known else None

    def fields(self) -> dict[str, Json]:
        """One or two fields that a person changes through the services."""
        choices: dict[str, Callable[[], Json]] = {
            "status": lambda: self.rng.choice(STATUSES),
            "severity": lambda: self.rng.choice(SEVERITIES),
            "title": lambda: self.words("title"),
            "description": lambda: self.words("description"),
            "assignees": lambda: sorted(self.rng.sample(PEOPLE, self.rng.randint(0, 2))),
            "tags": lambda: sorted(self.rng.sample(TAGS, self.rng.randint(0, 3))),
            "services": lambda: sorted(self.rng.sample(SERVICES, self.rng.randint(1, 2))),
            "public_title": lambda: self.words("public"),
            "impacts": lambda: {self.rng.choice(SERVICES): "partial_outage"},
        }
        names = self.rng.sample(sorted(choices), self.rng.choice((1, 1, 2)))
        return {n: choices[n]() for n in names}

    def intend(self, fields: dict[str, Json]) -> None:
        """Records the values that a person is about to request."""
        intended = self.world.ledger.intended
        for name, value in fields.items():
            if isinstance(value, list):
                for element in value:
                    intended[f"{name}/{element}"].append(True)
            elif isinstance(value, dict):
                for key, word in value.items():
                    intended[f"{name}/{key}"].append(word)
            else:
                intended[name].append(value)

    def edit_in_hub(self) -> bool:
        incident = self._any_incident()
        if incident is None:
            return False
        fields = self.fields()
        self.intend(fields)
        return self._ask(
            f"edit {fields}", lambda hub: services.edit_incident(hub, incident, fields, actor=self.person())
        )

    def open_in_hub(self) -> bool:
        if len(self.incidents()) >= MOST_INCIDENTS:
            return False
        severity, affected = self.rng.choice(self.severities), [self.rng.choice(self.services)]
        fields = {"title": self.words("title"), "severity": severity, "services": affected}
        self.intend(fields)
        key = self.rng.choice((None, "dedup-1", "dedup-2"))
        return self._ask("open", lambda hub: services.open_incident(hub, fields, actor=self.person(), dedup_key=key))

    def recur(self) -> bool:
        fields, key = {"title": self.words("title"), "severity": "SEV4", "services": ["mail"]}, "again"
        self.intend({**fields, "status": "resolved"})
        return self._ask("recur", lambda hub: recur(hub, fields, key, self.person()))

    def comment_in_hub(self) -> bool:
        incident = self._any_incident()
        if incident is None:
            return False
        text = self.words("remark")
        return self._ask("comment", lambda hub: services.add_comment(hub, incident, text, actor=self.person()))

    def change_comment_in_hub(self) -> bool:
        rows = self.world.store.db.execute("SELECT id FROM comments ORDER BY created_at DESC, id LIMIT 5").fetchall()
        if not rows:
            return False
        comment, text = self.rng.choice(rows)[0], self.words("rephrased") if self.rng.random() < 0.7 else None
        return self._ask("change comment", lambda hub: services.edit_comment(hub, comment, text, actor=self.person()))

    def approve(self) -> bool:
        """A person reads what is held, and approves exactly that content."""
        link = self._link("plan LIKE '%\"hash\"%'")
        if link is None:
            return False

        def act(hub: Hub) -> None:
            shown = services.show_link(hub, link)
            if self.memory.random() < 0.3:  # read earlier, approved only now
                shown, self.read[link] = self.read.get(link, shown), shown
            if shown["content_hash"]:
                self.world.ledger.approve(shown)
                services.approve_link(hub, link, shown["content_hash"], actor=self.person())

        return self._ask("approve", act)

    def publish(self) -> bool:
        incident = self._any_incident()
        if incident is None:
            return False
        text = self.words("update")

        def act(hub: Hub) -> None:
            draft = services.draft_update(hub, incident, text, actor=self.person())
            if self.rng.random() < 0.8:
                self.world.ledger.published.add(text)
                services.approve_update(hub, draft["id"], draft["content_hash"], actor=self.person())

        return self._ask("publish", act)

    def merge_in_hub(self) -> bool:
        known = self.incidents()
        if len(known) < 3:
            return False
        loser, winner = self.rng.sample(known, 2)
        return self._ask("merge", lambda hub: services.merge_incidents(hub, loser, winner, actor=self.person()))

    def _link(self, where: str) -> str | None:
        rows = self.world.store.db.execute(f"SELECT id FROM links WHERE {where} ORDER BY id").fetchall()
        return self.rng.choice(rows)[0] if rows else None

    def unlink(self) -> bool:
        link = self._link("kind = 'incident' AND state = 'live'")
        if link is None or self.rng.random() < 0.5:
            return False
        return self._ask("unlink", lambda hub: services.unlink(hub, link, actor=self.person()))

    def relink(self) -> bool:
        row = self.world.store.db.execute(
            "SELECT id, incident_id, connection, slot, remote_id FROM links WHERE kind = 'incident' AND slot = 'primary' "
            "AND state IN ('unlinked', 'gone') AND remote_id IS NOT NULL ORDER BY id"
        ).fetchone()
        if row is None:
            return False
        link, incident, name, slot, remote = row
        thing = self.world.servers[name].things.get(Ref(INCIDENT, remote))
        if thing is None or thing.state != "present":
            return False
        self.world.ledger.relinked.add(link)
        return self._ask("relink", lambda hub: services.relink(hub, incident, name, slot, remote, actor=self.person()))

    def review(self) -> bool:
        held_ones = "SELECT id, incident_id, held FROM links WHERE held <> '{}' ORDER BY id"
        row = self.world.store.db.execute(held_ones).fetchone()
        if row is None:
            return False
        link, incident, held = row[0], row[1], json.loads(row[2])
        name = sorted(held)[0]
        self.world.ledger.reviewed.add((incident, name))
        self.intend({name: held[name].get("value")} if isinstance(held[name], dict) else {})
        take = self.rng.choice(("take", "keep"))
        return self._ask("review", lambda hub: services.review_field(hub, link, name, take, actor=self.person()))

    def decide_unmatched(self) -> bool:
        db = self.world.store.db
        row = db.execute("SELECT id, connection FROM unmatched_objects WHERE state = 'proposed' ORDER BY id").fetchone()
        if row is None:
            return False
        choice = self.rng.choice(["new", "ignore", *self.incidents()])
        slot = "SELECT id FROM links WHERE slot = 'primary' AND incident_id = ? AND connection = ?"
        self.world.ledger.relinked.update(link for (link,) in db.execute(slot, (choice, row[1])))
        link = partial(services.link_unmatched, incident=choice)
        decide = {"new": services.open_unmatched, "ignore": services.ignore_unmatched}.get(choice, link)
        return self._ask(f"unmatched object {choice}", lambda hub: decide(hub, row[0], actor=self.person()))

    def retry(self) -> bool:
        failed = "SELECT id, link_id FROM outbox WHERE state = 'failed' ORDER BY id"
        row = self.world.store.db.execute(failed).fetchone()
        if row is None:
            return False
        if self.rng.random() < 0.3:
            return self._ask("discard", lambda hub: services.discard_failed_write(hub, row[0], actor=self.person()))
        self.world.ledger.replayed.add(row[1])
        return self._ask("retry", lambda hub: services.retry_failed_write(hub, row[0], actor=self.person()))

    def pause(self) -> bool:
        """Sets the global pause, sometimes; `World.rest` ends it."""
        on = self.rng.random() < 0.3
        return self._ask(f"pause {on}", lambda hub: services.set_pause(hub, on, actor=self.person()))
