"""The JSON API answers as its document describes, for any client, any request and any failure behind it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate

from hub import services
from hub.store.tokens import SCOPES
from hub.store.unit import Collision, StoreUnavailable
from hub.web.api import OPERATIONS
from hub.web.app import create_app
from hub.web.operations import MAX_BODY, Operation
from hub.web.request_models import PATTERNS
from tests.unit.web.contract import Checked
from tests.unit.web.hub import bearer, make_hub

ID = "0" * 26
FITTING: dict[str, dict[str, Any]] = {
    "OpenIncident": {"fields": {"title": "down"}},
    "EditIncident": {"fields": {"severity": "SEV1"}},
    "MergeIncident": {"into": "INC-2"},
    "WriteComment": {"text": "looking"},
    "DraftUpdate": {"text": "we are looking"},
    "Approve": {"content_hash": "0" * 64},
    "Relink": {"connection": "signed", "remote_id": "1"},
    "Review": {"field": "status", "decision": "keep"},
    "LinkUnmatched": {"incident": "INC-2"},
    "SetConnection": {"state": "observe"},
    "SetPause": {"paused": True},
}


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=named)


def path_of(operation: Operation) -> str:
    return operation.path.format(ref="INC-1", id=ID, name="signed")


def body_of(operation: Operation) -> dict[str, Any]:
    return {"json": FITTING[operation.body.__name__]} if operation.body else {}


def everything(answer: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Puts `answer` (a value, or an error to raise) behind every operation; returns what they were called with."""
    calls: list[tuple[Any, ...]] = []

    def stand_in(*args: Any, **named: Any) -> Any:
        calls.append((args, named))
        if isinstance(answer, Exception):
            raise answer
        return answer

    for name in vars(services).copy():
        if callable(getattr(services, name)) and name.islower() and not name.startswith("_"):
            monkeypatch.setattr(services, name, stand_in)
    return calls


def test_the_document_is_valid_and_says_where_each_failure_is_described() -> None:
    document = create_app(make_hub()).test_client().get("/api/openapi.json").json
    validate(document)
    assert sum(len(item) for item in document["paths"].values()) == len(OPERATIONS)
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_the_document_is_readable_without_a_token_and_nothing_else_of_the_api_is() -> None:
    client = create_app(make_hub()).test_client()
    assert client.get("/api/openapi.json").status_code == 200
    assert client.get("/api/v1/nothing").status_code == 404


@every_operation
def test_nobody_comes_in_without_a_token(operation: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = everything({}, monkeypatch)
    assert Checked(make_hub())(operation.method, path_of(operation), **body_of(operation)).status_code == 401
    assert calls == []


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.scope != SCOPES[0]], ids=named)
def test_a_lesser_scope_is_not_enough(operation: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, hub = everything({}, monkeypatch), make_hub()
    lesser = bearer(hub, SCOPES[SCOPES.index(operation.scope) - 1])
    answer = Checked(hub)(operation.method, path_of(operation), headers=lesser, **body_of(operation))
    assert answer.status_code == 403
    assert calls == []


FAILURES = {
    404: services.NotFound("there is no INC-1"),
    409: services.Conflict("it is closed"),
    422: services.Invalid("severity", "use one of ..."),
    503: StoreUnavailable("OperationalError: disk full"),
}


@every_operation
def test_what_fails_behind_it_is_told_as_documented(operation: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    for status, error in FAILURES.items():
        if status not in operation.statuses:
            continue
        everything(error, monkeypatch)
        hub = make_hub()
        answer = Checked(hub)(operation.method, path_of(operation), headers=bearer(hub), **body_of(operation))
        assert answer.status_code == status
        assert answer.json is not None
        assert answer.json["status"] == status
        assert answer.json.get("field", "").endswith("severity") == (status == 422)


@every_operation
def test_a_mistake_of_ours_is_500_and_tells_nothing(operation: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    everything(RuntimeError("canary"), monkeypatch)
    hub = make_hub()
    answer = (
        create_app(hub)
        .test_client()
        .open("/api/v1" + path_of(operation), method=operation.method, headers=bearer(hub), **body_of(operation))
    )
    assert answer.status_code == 500
    assert answer.mimetype == "application/problem+json"
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.method != "GET"], ids=named)
def test_a_change_that_lost_to_another_at_the_same_moment_is_409(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(Collision("UNIQUE constraint failed: incidents.number"), monkeypatch)
    hub = make_hub()
    answer = Checked(hub)(operation.method, path_of(operation), headers=bearer(hub), **body_of(operation))
    assert answer.status_code == 409
    assert answer.json is not None
    assert "Read it again" in answer.json["detail"]
    assert "UNIQUE" not in answer.text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400),
        ({"data": b"", "content_type": "application/json"}, 400),
        ({"data": b"\xff", "content_type": "application/json"}, 400),
        ({"data": b"a=1", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"data": b"{}"}, 415),
        ({"data": b"{}", "content_type": "application/json", "headers": {"Content-Encoding": "gzip"}}, 415),
        ({"data": b'"' + b"x" * MAX_BODY + b'"', "content_type": "application/json"}, 413),
        ({"json": []}, 422),
        ({"data": b"null", "content_type": "application/json"}, 422),
        ({"json": "{}"}, 422),
        ({"json": {}}, 422),
        ({"json": {"unknown": 1}}, 422),
        ({"data": b'{"a": "\\u0000"}', "content_type": "application/json"}, 422),
        ({"data": b"[" * 100_000, "content_type": "application/json"}, 422),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_body_is_refused_before_anything_is_done(
    sent: dict[str, Any], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, hub = everything({}, monkeypatch), make_hub()
    api, request = Checked(hub), {**sent, "headers": {**bearer(hub), **sent.get("headers", {})}}
    for operation in OPERATIONS:
        if operation.body:
            answer = api(operation.method, path_of(operation), **request)
            assert answer.status_code == status
            assert answer.json is not None
            assert status == 413 or answer.json["field"]
    assert calls == []


@pytest.mark.parametrize("body", [b'{"fields": {"title": "x"}}' + b" " * MAX_BODY + b"}", b'"' + b"x" * MAX_BODY])
def test_a_body_without_length_is_refused_when_it_is_too_large_and_never_cut(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body cut off at the limit may parse as JSON, or show another fault."""
    calls, hub = everything({}, monkeypatch), make_hub()
    api = create_app(hub).test_client()
    sent = {"input_stream": io.BytesIO(body), "environ_overrides": {"wsgi.input_terminated": True}}
    answer = api.post("/api/v1/incidents", headers=bearer(hub), content_type="application/json", **sent)
    assert answer.status_code == 413
    assert str(MAX_BODY) in answer.json["detail"]
    assert calls == []


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"severity": "SEV9"}, "body.fields.severity"),
        ({"title": 7}, "body.fields.title"),
        ({"title": None}, "body.fields.title"),
        ({"title": "x" * 1_001}, "body.fields.title"),
        ({"services": "checkout"}, "body.fields.services"),
        ({"services": [["checkout"]]}, "body.fields.services.0"),
        ({"services": ["x"] * 201}, "body.fields.services"),
        ({"impacts": {"checkout": "burning"}}, "body.fields.impacts.checkout"),
        ({"roles": {"": "ada"}}, "body.fields.roles."),
        ({"nonsense": 1}, "body.fields.nonsense"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, hub = everything({}, monkeypatch), make_hub()
    answer = Checked(hub)("PATCH", "/incidents/1", headers=bearer(hub), json={"fields": fields})
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["field"] == place
    assert calls == []


@pytest.mark.parametrize(
    ("path", "sent", "words"),
    [
        ("/incidents", [], "must be an object"),
        ("/incidents", {"fields": 7}, "must be an object"),
        ("/incidents", {"fields": {"title": " "}}, "must not be blank"),
        ("/incidents", {"fields": {"title": 7}}, "must be a string"),
        ("/incidents", {"fields": {"title": "x" * 1_001}}, "is too long: at most 1000 characters"),
        ("/incidents", {"fields": {"title": "x", "status": "resolved"}}, "must be one of: triggered, acknowledged, identified, monitoring"),
        ("/incidents", {"fields": {"title": "x", "tags": "x"}}, "must be a list"),
        ("/incidents/1/merge", {"into": "two"}, "is not an incident's number or id: write 12, INC-12 or the id"),
        ("/incidents/1/updates", {"text": "x", "audience": "pubic"}, "must be one of: public, internal"),
        ("/unmatched/" + "0" * 26 + "/link", {"incident": "two"}, "is not an incident's number or id: write 12, INC-12 or the id"),
    ],
)  # fmt: skip
def test_a_refusal_is_in_words_for_people(path: str, sent: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message contains no regular expression and no class name, and nothing is changed."""
    calls, hub = everything({}, monkeypatch), make_hub()
    answer = Checked(hub)("POST", path, headers=bearer(hub), json=sent)
    assert answer.json is not None
    assert (answer.status_code, answer.json["detail"]) == (422, words)
    assert calls == []


def patterns(schema: Any) -> Iterator[str]:
    """Every pattern in a schema."""
    for key, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if key == "pattern" and isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            yield from patterns(value)


@every_operation
def test_whatever_pattern_a_text_does_not_fit_there_are_words_for_it(operation: Operation) -> None:
    models = [model.model_json_schema() for model in (operation.body, operation.query) if model]
    assert set(patterns(models)) <= set(PATTERNS)


def test_only_the_fields_that_were_sent_are_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, hub = everything({}, monkeypatch), make_hub()
    sent = {"title": "<b>$(rm)</b> {{7*7}} \U0001f525", "owner_team": None, "impacts": {"checkout": "degraded"}}
    client = create_app(hub).test_client()
    assert (
        client.patch("/api/v1/incidents/inc-12", headers=bearer(hub, "write"), json={"fields": sent}).status_code == 200
    )
    ((args, named),) = calls
    assert args[1:] == ("inc-12", sent)
    assert named == {"actor": "token:tester-write"}


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "query.limit"),
        ("limit=201", "query.limit"),
        ("limit=1.0", "query.limit"),
        ("limit=+1", "query.limit"),
        ("limit=", "query.limit"),
        ("limit=99999999999999999999", "query.limit"),
        ("limit=1&limit=2", "query.limit"),
        ("open=yes", "query.open"),
        ("open=True", "query.open"),
        ("before=%00", "query.before"),
        ("before=", "query.before"),
        ("before=" + "x" * 81, "query.before"),
        ("nonsense=1", "query.nonsense"),
        ("%00=1", "query.\\x00"),
    ],
)
def test_a_wrong_query_is_named(query: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, hub = everything({}, monkeypatch), make_hub()
    answer = Checked(hub)("GET", f"/incidents?{query}", headers=bearer(hub))
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["field"] == place
    assert calls == []


@pytest.mark.parametrize("ref", ["INC-", "x", "INC-1x", "%00", "-1", "1234567890", "٣", "..", "0" * 27, "%ff"])
def test_what_cannot_name_an_incident_names_nothing(ref: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, hub = everything({}, monkeypatch), make_hub()
    answer = create_app(hub).test_client().get(f"/api/v1/incidents/{ref}", headers=bearer(hub))
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert calls == []


def test_a_wrong_method_says_which_are_right() -> None:
    answer = create_app(make_hub()).test_client().delete("/api/v1/incidents")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "POST"}


@pytest.mark.parametrize("path", ["/", "/api/v1/incidents", "/health/live", "/api/openapi.json", "/in/nobody"])
def test_every_answer_is_guarded_and_named(path: str) -> None:
    answer = create_app(make_hub()).test_client().get(path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_addresses_are_believed_only_from_proxies_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def statuses(proxies: int) -> list[int]:
        client = create_app(make_hub(), trusted_proxies=proxies).test_client()
        return [
            client.get(
                "/api/v1/pause",
                headers={"Authorization": "Bearer ls_wrong", "X-Forwarded-For": f"203.0.113.{n}"},
            ).status_code
            for n in range(30)
        ]

    assert statuses(0)[-1] == 429
    assert set(statuses(1)) == {401}
