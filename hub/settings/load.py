"""Reads and checks `lockstep.toml`, and makes from it the plain values that the engine works with.

Unknown keys, wrong values, secrets, and names of things that do not exist are refused, all of them at once, each with
the file, the place (`[connections.jira-payments].url`) and the remedy. A vendor's own keys are checked by its adapter
when it is built.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hub.domain.authority import DEFAULT, Authority
from hub.domain.policy import INTERNAL, Config, ConnectionConfig, LinkRule, Policy, Public
from hub.logs import clean
from hub.settings.environment import EnvSecrets, prefix, secret_variable
from hub.settings.infrastructure import infrastructure_of
from hub.settings.models import Document

Vocabulary = Mapping[str, list[list[Any]]]
"""field → pairs [the hub's word, the vendor's word]."""


class SettingsError(ValueError):
    """The configuration cannot be used. `problems`: one sentence each, with place and remedy."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(str(clean(problem)) for problem in problems)  # a secret in a wrong place is not repeated
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Settings:
    """The configuration of one hub.

    path: the file it was read from. redis_url: None = the embedded Redis (`workers.supervisor`), "" = no Redis.
    trusted_proxies: the number of your own reverse proxies in front of the web.
    vault_key: encrypts secrets that arrive at run time; None = there is no vault.
    vault_key_place: the variable or the file that it came from. log_level: of the hub's own loggers.
    vocabulary: connection → its own tables, `people` and `services` among them; they take precedence over the vendor's
    packaged tables (`mappings.vocabulary`).
    """

    path: Path
    config: Config
    data_dir: Path
    database_url: str
    redis_url: str | None
    trusted_proxies: int = 0
    log_level: str = "INFO"
    vault_key: bytes | None = field(repr=False, default=None)
    vault_key_place: str = "LOCKSTEP_VAULT_KEY"
    vocabulary: Mapping[str, Vocabulary] = field(default_factory=dict)
    environ: Mapping[str, str] = field(repr=False, default_factory=dict)

    def secrets(self, connection: str) -> EnvSecrets:
        """The secrets of a connection that the environment holds."""
        return EnvSecrets(connection, self.environ)


def where(environ: Mapping[str, str] | None = None) -> Path:
    """The path of the configuration file: `LOCKSTEP_CONFIG`, else `lockstep.toml` in the current folder."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("LOCKSTEP_CONFIG") or "lockstep.toml").absolute()


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads and checks the configuration. Raises SettingsError with every problem found."""
    environ = dict(os.environ if environ is None else environ)
    path = where(environ) if path is None else path.absolute()
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            [f"{path}: there is no such file; run `lockstep config example > lockstep.toml`, or set LOCKSTEP_CONFIG"]
        ) from None
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(
            [f"{path}: the file cannot be read: {getattr(e, 'strerror', None) or 'it is not UTF-8'}"]
        ) from None
    except tomllib.TOMLDecodeError as e:
        raise SettingsError([f"{path}: this is not TOML: {str(e)[:300]}; correct that line"]) from None
    except ValueError:  # an integer of more digits than Python parses
        raise SettingsError([f"{path}: a number in it has too many digits; correct it"]) from None
    except RecursionError:
        raise _too_deep(path) from None
    try:
        return _checked(raw, path, environ)
    except RecursionError:
        raise _too_deep(path) from None


def _too_deep(path: Path) -> SettingsError:
    return SettingsError([f"{path}: its tables or lists are nested too deeply; no setting needs more than four levels"])


def _checked(raw: Mapping[str, Any], path: Path, environ: dict[str, str]) -> Settings:
    problems = [f"{path}: {p}" for p in _secrets_in(raw)]
    try:
        document = Document.model_validate(raw)
    except ValidationError as e:
        problems += [f"{path}: {p}" for p in _shape_problems(e)]
        raise SettingsError(problems) from None
    problems += [f"{path}: {p}" for p in _names(document)]
    infrastructure, wrong = infrastructure_of(document.hub, path, environ)
    problems += wrong
    if problems:
        raise SettingsError(problems)
    return Settings(
        path=path, config=_config(document), vocabulary=_vocabularies(document), environ=environ, **infrastructure
    )


# ---------------------------------------------------------------- places and messages

_ADVICE = {
    "missing": "add it",
    "extra_forbidden": "there is no such key here; remove it or correct its name",
    "literal_error": "use one of these words",
    "bool_type": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "string_type": "write a text in quotes",
    "list_type": "write a list: [ ... ]",
    "too_short": "write pairs: [the hub's word, the vendor's word]",
    "too_long": "write pairs: [the hub's word, the vendor's word]",
}


def place(location: Sequence[str | int]) -> str:
    """A place in the file: ("connections", "jira", "url") → `[connections.jira].url`; items of lists are counted from
    1."""
    tables: list[str] = []
    arrays = {("policy", "links"): "[[policy.links]]", ("authority",): "[[authority]]"}
    depth = {"connections": 2, "services": 2, "people": 2, "vocabulary": 2, "hub": 1, "policy": 1}
    location = [part for part in location if part != "[key]"]
    for head, written in arrays.items():
        if tuple(location[: len(head)]) == head and len(location) > len(head) and isinstance(location[len(head)], int):
            rest = [str(part) for part in location[len(head) + 1 :] if isinstance(part, str)]
            return f"{written} no. {int(location[len(head)]) + 1}" + "".join(f", {part}" for part in rest)
    width = depth.get(str(location[0]), 1)
    if location[:2] == ["policy", "public"] or location[2:3] in (["ids"], ["accounts"]):
        width += 1
    tables = [str(part) for part in location[:width]]
    text = f"[{'.'.join(tables)}]"
    for part in location[width:]:
        if isinstance(part, int):
            text += f" no. {part + 1}"
        elif part not in ("str", "int", "list[union[str,int]]"):
            text += f".{part}"
    return text


def _shape_problems(error: ValidationError) -> Iterator[str]:
    seen = set()
    for one in error.errors(include_url=False, include_input=False):
        at, kind = place(one["loc"]), one["type"]
        text = one["msg"].removeprefix("Value error, ")
        if "[key]" in one["loc"]:
            text, advice = "this name cannot be used", "use letters, digits and '-', beginning with a letter or digit"
            advice += "; connections in lower case"
        elif kind == "extra_forbidden":
            text, advice = "unknown key", _ADVICE[kind] + _near(one["loc"])
        else:
            advice = _ADVICE.get(kind, "correct it")
        if at not in seen:  # pydantic reports a value once for each type that it may have
            seen.add(at)
            yield f"{at}: {text[:1].lower()}{text[1:]}; {advice}"


def _near(location: Sequence[str | int]) -> str:
    """` (did you mean …?)` for a key that is close to an existing one, else nothing."""
    model: Any = Document
    for part in location[:-1]:
        annotation = (
            model.model_fields[part].annotation if isinstance(part, str) and part in model.model_fields else None
        )
        inner = [a for a in (annotation, *getattr(annotation, "__args__", ())) if hasattr(a, "model_fields")]
        model = inner[0] if inner else model
    close = get_close_matches(str(location[-1]), model.model_fields, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


# ---------------------------------------------------------------- secrets in the file

_SECRET_KEY = re.compile(
    r"(^|_)(password|passwd|token|tokens|secret|secrets|credential|credentials|"
    r"(api|private|access|routing|integration|signing|account|webhook|client)_?key|(client|signing|webhook)_?state)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"^(Bearer|Basic|Token) \S{8,}|-----BEGIN [A-Z ]*PRIVATE KEY|^ATATT3|^xox[abp]-|^whsec_|^eyJ[\w-]{10,}\.|://[^/\s:@]*:[^/\s@]+@|[?&](sig|token|key)=",
)
_WEB_USER = re.compile(r"https?://[^/\s@]*@", re.IGNORECASE)


def _secrets_in(raw: Mapping[str, Any]) -> Iterator[str]:
    """A problem for each key whose name or value looks like that of a secret."""
    for name, table in raw.items():
        if name in ("vocabulary", "authority"):
            continue
        for location, key, value in _leaves(table, (name,)):
            if not isinstance(value, str) or not value:
                continue
            if _SECRET_KEY.search(key) or _SECRET_VALUE.search(value):
                yield f"{place([*location, key])}: this looks like a secret, and secrets are not allowed in this file; {_instead(location, key, value)}"


def _leaves(value: Any, location: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(inner, (dict, list)):
            yield from _leaves(inner, (*location, key))
        elif isinstance(key, str):
            yield location, key, inner
        else:
            yield location[:-1], str(location[-1]), inner


def _instead(location: Sequence[str | int], key: str, value: str) -> str:
    if _WEB_USER.match(value):
        others = "; the adapter's README lists its secrets and how to set them" if location[0] == "connections" else ""
        return f"write the address without user and password{others}"
    if location[0] == "connections" and len(location) > 1:
        name = secret_variable(str(location[1]), key)
        return f"remove it here and set {name}, or {name}_FILE to a file that holds it"
    known = {"database": "LOCKSTEP_DATABASE_URL", "redis": "LOCKSTEP_REDIS_URL"}
    return f"remove it here and set {known.get(key, 'an environment variable')}"


# ---------------------------------------------------------------- names of things that must exist


def _names(d: Document) -> Iterator[str]:
    def known(name: str, among: Mapping[str, Any], at: str, what: str, table: str) -> Iterator[str]:
        if name not in among:
            close = get_close_matches(name, among, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"add [{table}.{name}] or remove it"
            yield f"{at}: there is no {what} {name!r}; {hint}"

    for number, rule in enumerate(d.policy.links, 1):
        at = f"[[policy.links]] no. {number}"
        yield from known(rule.connection, d.connections, f"{at}, connection", "connection", "connections")
        for service in rule.services or ():
            yield from known(service, d.services, f"{at}, services", "service", "services")
    for name in d.policy.opens:
        yield from known(name, d.connections, "[policy].opens", "connection", "connections")
    for key, service_table in d.services.items():
        for name in service_table.ids:
            yield from known(name, d.connections, f"[services.{key}.ids].{name}", "connection", "connections")
    for key, person in d.people.items():
        for name in person.accounts:
            yield from known(name, d.connections, f"[people.{key}.accounts].{name}", "connection", "connections")
    for name, fields in d.vocabulary.items():
        yield from known(name, d.connections, f"[vocabulary.{name}]", "connection", "connections")
        for derived, table in (("people", "people"), ("services", "services")):
            if derived in fields:
                yield f"[vocabulary.{name}].{derived}: this table is made from [{table}]; make the entry there"
    vendors = {c.vendor for c in d.connections.values()} | {row.vendor for row in DEFAULT.rows} | {"hub"}
    for number, line in enumerate(d.authority, 1):
        if line.vendor not in vendors:
            yield f"[[authority]] no. {number}, vendor: no connection is of vendor {line.vendor!r}; correct it or remove the line"
    for name in sorted(INTERNAL & d.connections.keys()):
        yield f"[connections.{name}]: the hub itself uses this name in the journal; give the connection another name"
    prefixes: dict[str, str] = {}
    for name in d.connections:
        if (other := prefixes.setdefault(prefix(name), name)) != name:
            yield f"[connections.{name}]: its variables would have the same names as those of {other!r}; rename one"


# ---------------------------------------------------------------- the engine's values


def _config(d: Document) -> Config:
    connections = {
        name: ConnectionConfig(
            name=name,
            vendor=table.vendor,
            state=table.state,
            order=table.order if table.order is not None else position,
            settings=table.model_dump(),
        )
        for position, (name, table) in enumerate(d.connections.items(), 1)
    }
    public = d.policy.public
    lines = [line.model_dump() for line in d.authority]
    return Config(
        connections=connections,
        policy=Policy(
            links=tuple(
                LinkRule(
                    connection=rule.connection,
                    slot=rule.slot,
                    severity_at_least=rule.severity_at_least,
                    services=None if rule.services is None else frozenset(rule.services),
                    hold=rule.hold,
                )
                for rule in d.policy.links
            ),
            opens=frozenset(d.policy.opens),
            public=Public(public.title, public.text, frozenset(public.free), public.withdraw_when_closed),
            creates_per_minute=d.policy.creates_per_minute,
            comments=d.policy.comments,
            impact_of={**Policy().impact_of, **d.policy.impact_of},
        ),
        # `parse` requires a last line that matches everything; the default table has one
        authority=Authority(Authority.parse([*lines, {}], "lockstep.toml").rows[:-1]).over(DEFAULT),
        services={key: table.name for key, table in d.services.items()},
        people={key: person.model_dump() for key, person in d.people.items()},
        base_url=d.hub.base_url,
    )


def _vocabularies(d: Document) -> dict[str, Vocabulary]:
    def pairs(tables: Mapping[str, Any], attribute: str, connection: str) -> list[list[Any]]:
        out = []
        for key, table in tables.items():
            theirs = getattr(table, attribute).get(connection, [])
            out += [[key, one] for one in (theirs if isinstance(theirs, list) else [theirs])]
        return out

    return {
        name: {
            **{f: [list(pair) for pair in table] for f, table in d.vocabulary.get(name, {}).items()},
            "people": pairs(d.people, "accounts", name),
            "services": pairs(d.services, "ids", name),
        }
        for name in d.connections
    }
