"""The incident that the demo plays, act by act. After each act it waits until all systems are in step again, and says how
long that took."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hub import services
from hub.domain.values import INCIDENT, Json
from hub.sync.hub import Hub
from workers.demo import check
from workers.demo.deployment import Deployment
from workers.demo.vendors import Postman, Vendors

PATIENCE = 150.0
"""Seconds until an act is given up: longer than the longest polling pause and the longest retry of the faults played."""

PAUSE = 0.2


class Play:
    """acts: what was played, with the seconds until all were in step. edits: (field path, our value) that people made."""

    def __init__(self, deployment: Deployment, vendors: Vendors, postman: Postman, say: Callable[[str], None]) -> None:
        self.deployment, self.vendors, self.postman, self.say = deployment, vendors, postman, say
        self.hub: Hub = deployment.hub()
        self.acts: list[dict[str, Json]] = []
        self.edits: list[tuple[str, Json]] = []
        self.incident = ""
        self.journal_lines = 0
        self._pause = threading.Event()

    # --- the acts -----------------------------------------------------------------------------------------------

    def run(self) -> check.Verdict:
        self._begin()
        self._publish()
        self._one_change_in_each()
        self._at_the_same_time()
        self._bad_network()
        self._a_vendor_goes_down()
        self._killed_and_emptied()
        self._end()
        verdict = check.compare(self.hub, self.incident, self.vendors)
        verdict.problems += check.once(self.vendors) + check.lost(self.hub, self.incident, self.edits)
        verdict.problems += [
            f"act {a['act']!r}: not in step after {PATIENCE:.0f} s" for a in self.acts if not a["in_step"]
        ]
        self.journal_lines = len(services.show_journal(self.hub, self.incident)["items"])
        return verdict

    def _begin(self) -> None:
        self.say("1  Ada's pager goes off: an incident begins in PagerDuty")
        self._until(lambda: bool(self.vendors.pagerduty.subscriptions), "the webhook subscription")
        self.pd = self.vendors.pagerduty.people_create(
            "Checkout answers with errors", priority="P2", assignees=["PADA001"]
        )
        self._until(lambda: bool(services.list_incidents(self.hub)["items"]), "the incident")
        self.incident = str(services.list_incidents(self.hub)["items"][0]["id"])
        self._until(
            lambda: {"pagerduty", "jira", "teams"} <= set(self._remote()), "the Jira issue and the Teams thread"
        )
        held = self._link("statuspage")
        self.say(
            f"   Jira issue {self._remote()['jira']}, Teams thread, and a status-page draft that waits ({held['state']})"
        )

    def _publish(self) -> None:
        self.say("2  Cleo reads the draft and approves exactly that text")
        draft = services.show_link(self.hub, str(self._link("statuspage")["id"]))
        self.say(f"   \u201c{draft['draft']['public_title']}\u201d")
        services.approve_link(self.hub, draft["id"], draft["content_hash"], actor="cleo")
        self._settled("published")
        remote = self._remote()
        self.jira, self.page, self.card = remote["jira"], remote["statuspage"], remote["teams"]

    def _one_change_in_each(self) -> None:
        v = self.vendors
        self.say("3  A change in each of the four, one after the other")
        v.pagerduty.people_set_status(self.pd, "acknowledged")
        v.pagerduty.people_note(self.pd, "Looking at it")
        self._made(("status", "acknowledged"), ("text", "Looking at it"))
        self._settled("PagerDuty: acknowledged, a note")
        v.jira.people_comment(self.jira, "It began with the deploy at 09:12")
        v.jira.people_set(self.jira, labels=[*v.jira.snapshot(self.jira)["labels"], "deploy"])
        self._made(("text", "It began with the deploy at 09:12"), ("tags/deploy", True))
        self._settled("Jira: a comment, a label")
        v.teams.people_command("sev 1", self.card)
        v.teams.people_reply(self.card, "Rolling back now")
        self._made(("severity", "SEV1"), ("text", "Rolling back now"))
        self._settled("Teams: the command \u201csev 1\u201d, a reply")
        v.statuspage.people_set_status(self.page, "identified", "A deploy went wrong; we are rolling it back.")
        self._made(("status", "identified"), ("text", "A deploy went wrong; we are rolling it back."))
        self._settled("Status page: identified, with a text for customers")

    def _at_the_same_time(self) -> None:
        v = self.vendors
        self.say("4  People edit the same thing at the same time")
        v.pagerduty.people_set_title(self.pd, "Checkout: errors after the deploy")
        v.jira.people_set(self.jira, summary="Checkout 500s since 09:12")
        v.pagerduty.people_note(self.pd, "Rollback at 50 %")
        v.jira.people_comment(self.jira, "Error rate is falling")
        self._made(
            ("title", "Checkout: errors after the deploy"), ("title", "Checkout 500s since 09:12"),
            ("text", "Rollback at 50 %"), ("text", "Error rate is falling"),
        )  # fmt: skip
        self._settled("two titles at once: one wins everywhere, the other is in the journal")

    def _bad_network(self) -> None:
        v, post = self.vendors, self.postman
        self.say("5  Webhooks are lost, duplicated and late")
        post.lose, post.double, post.delay = 2, 3, 1.0
        v.jira.people_comment(self.jira, "Rollback done")
        v.teams.people_reply(self.card, "Graphs look good")
        v.statuspage.people_set_status(self.page, "monitoring", "The rollback is done; we are watching.")
        self._made(
            ("text", "Rollback done"), ("text", "Graphs look good"), ("status", "monitoring"),
            ("text", "The rollback is done; we are watching."),
        )  # fmt: skip
        self._settled("polling found the changes whose webhooks were lost")
        post.lose = post.double = 0
        post.delay = 0.0

    def _a_vendor_goes_down(self) -> None:
        v = self.vendors
        self.say("6  Jira goes down; the others go on; then it comes back")
        v.jira.down = True
        v.pagerduty.people_note(self.pd, "Customers confirm it works")
        v.teams.people_command("sev 3", self.card)
        self._made(("text", "Customers confirm it works"), ("severity", "SEV3"))
        self._settled("three of four in step while Jira is down", without="jira")
        self._pause.wait(5)
        v.jira.down = False
        self._settled("Jira is back")

    def _killed_and_emptied(self) -> None:
        v = self.vendors
        self.say("7  A worker is killed (kill -9) and Redis is emptied, in the middle of edits")
        v.pagerduty.people_note(self.pd, "Postmortem on Thursday")
        v.jira.people_comment(self.jira, "Ticket for the missing test is filed")
        self.deployment.kill_a_worker()
        self.deployment.empty_redis()
        v.teams.people_reply(self.card, "Thanks everybody")
        self._made(
            ("text", "Postmortem on Thursday"), ("text", "Ticket for the missing test is filed"),
            ("text", "Thanks everybody"),
        )  # fmt: skip
        self._settled("nothing but time was lost")

    def _end(self) -> None:
        self.say("8  Resolved, from Teams")
        self.vendors.teams.people_command("resolve", self.card)
        self._made(("status", "resolved"))
        self._settled("resolved everywhere, the component operational again")

    # --- waiting and looking ------------------------------------------------------------------------------------

    def _made(self, *edits: tuple[str, Json]) -> None:
        self.edits += edits

    def _link(self, connection: str) -> dict[str, Json]:
        links = services.show_incident(self.hub, self.incident)["links"]
        return next((k for k in links if k["connection"] == connection), {"state": "missing", "id": ""})

    def _remote(self) -> dict[str, str]:
        shown = services.show_incident(self.hub, self.incident)
        return {k["connection"]: k["remote_id"] for k in shown["links"] if k["kind"] == INCIDENT and k["remote_id"]}

    def _until(self, true: Callable[[], bool], what: str) -> float:
        begun = self.vendors.clock.monotonic()
        while not true():
            if self.vendors.clock.monotonic() - begun > PATIENCE:
                raise RuntimeError(f"waited {PATIENCE:.0f} s for {what}, in vain")
            self._pause.wait(PAUSE)
        return self.vendors.clock.monotonic() - begun

    def _settled(self, act: str, without: str = "") -> None:
        """Waits until every edit has arrived in the hub and every system shows what the hub holds."""

        def in_step() -> bool:
            if check.lost(self.hub, self.incident, self.edits):
                return False
            if any(box.outgoing for name, box in self.vendors.all.items() if name != without):
                return False
            shown = services.show_incident(self.hub, self.incident)
            behind = [k for k in [*shown["links"], *shown["copies"]] if k["connection"] != without]
            return not any(k["lag"] or k["state"] == "pending" for k in behind)

        begun = self.vendors.clock.monotonic()
        try:
            self._until(in_step, act)
            done = True
        except RuntimeError:
            done = False
        seconds = round(self.vendors.clock.monotonic() - begun, 1)
        self.acts.append({"act": act, "seconds": seconds, "in_step": done})
        self.say(f"   {act}  ({seconds} s)" if done else f"   NOT IN STEP after {seconds} s: {act}")
