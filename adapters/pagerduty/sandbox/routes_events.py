"""The PagerDuty stand-in's Events API v2: it validates and accepts an event at once, and applies it later."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, request

from adapters.pagerduty.sandbox.lifecycle import Lifecycle
from adapters.pagerduty.sandbox.routing import Route, Routes, answer
from adapters.pagerduty.sandbox.state import Payload, State


class EventRoutes(Routes):
    """The route of the Events API."""

    def __init__(self, state: State, lifecycle: Lifecycle) -> None:
        super().__init__(state)
        self.lifecycle = lifecycle

    def routes(self) -> Sequence[Route]:
        return (("POST", "/v2/enqueue", self.enqueue),)

    def enqueue(self) -> Response:
        body = request.get_json(silent=True)
        sent: Payload = body if isinstance(body, dict) else {}
        errors = self.event_errors(sent)
        if errors:
            return answer({"status": "invalid event", "message": "Event object is invalid", "errors": errors}, 400)
        sent = {**sent, "dedup_key": sent.get("dedup_key") or self.state.ids.new()}
        self.lifecycle.accept_event(sent)
        return answer({"status": "success", "message": "Event processed", "dedup_key": sent["dedup_key"]}, 202)

    def event_errors(self, sent: Payload) -> list[str]:
        errors = []
        if not isinstance(sent.get("routing_key"), str) or len(sent["routing_key"]) != 32:
            errors.append("'routing_key' is invalid (must be 32 characters long)")
        if sent.get("event_action") not in ("trigger", "acknowledge", "resolve"):
            errors.append("'event_action' is missing or invalid")
        if len(str(sent.get("dedup_key") or "")) > 255:
            errors.append("'dedup_key' is longer than 255 characters")
        if sent.get("event_action") != "trigger":
            return errors + ([] if sent.get("dedup_key") else ["'dedup_key' is missing or blank"])
        payload = sent.get("payload")
        if not isinstance(payload, dict):
            return [*errors, "'payload' is missing"]
        missing = [name for name in ("summary", "source", "severity") if not payload.get(name)]
        errors += [f"'payload.{name}' is missing or blank" for name in missing]
        if payload.get("severity") not in ("critical", "error", "warning", "info"):
            errors.append("'payload.severity' is invalid")
        if len(str(payload.get("summary") or "")) > 1024:
            errors.append("'payload.summary' is longer than 1024 characters")
        return errors
