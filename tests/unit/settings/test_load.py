"""The configuration: valid settings become the engine's values, invalid ones are refused with place and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hub.domain.authority import DEFAULT
from hub.settings.load import Settings, SettingsError, load, place, where

EXAMPLE = Path("hub/example.toml").read_text(encoding="utf-8")

MINIMAL = """
[connections.pd]
vendor = "pagerduty"
[connections.jira-payments]
vendor = "jira"
url = "https://example.atlassian.net"
"""


def read(tmp_path: Path, text: str, **environ: str) -> Settings:
    (tmp_path / "lockstep.toml").write_text(text, encoding="utf-8")
    return load(tmp_path / "lockstep.toml", environ)


def refused(tmp_path: Path, text: str, **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, **environ)
    return caught.value.problems


def test_a_new_connection_only_observes_and_ranks_by_its_place_in_the_file(tmp_path: Path) -> None:
    config = read(tmp_path, MINIMAL).config
    assert [(c.name, c.state, c.order) for c in config.connections.values()] == [
        ("pd", "observe", 1),
        ("jira-payments", "observe", 2),
    ]


def test_a_vendors_own_keys_are_handed_on(tmp_path: Path) -> None:
    assert (
        read(tmp_path, MINIMAL).config.connections["jira-payments"].settings["url"] == "https://example.atlassian.net"
    )


def test_the_example_can_be_used_and_says_what_it_says(tmp_path: Path) -> None:
    settings = read(tmp_path, EXAMPLE)
    config = settings.config
    assert [(rule.connection, rule.severity_at_least, rule.hold) for rule in config.policy.links] == [
        ("pagerduty", "SEV2", False),
        ("jira-payments", "SEV3", False),
        ("teams", None, False),
        ("status-page", None, True),
    ]
    assert config.services == {"checkout": "Checkout"}
    assert config.people["ada"]["accounts"]["pagerduty"] == "PUSER01"
    assert settings.vocabulary["status-page"]["services"] == [["checkout", "ftgks51sfs2d"]]
    assert settings.vocabulary["jira-payments"]["people"] == [["ada", "5b10a2844c20165700ede21g"]]
    assert ["monitoring", "In Review"] in settings.vocabulary["jira-payments"]["status"]
    assert config.authority.rank("severity", "jira") == 0


def test_own_authority_lines_go_before_the_default_ones_and_leave_all_others(tmp_path: Path) -> None:
    text = MINIMAL + '[[authority]]\nfield = "severity"\nvendor = "jira"\nreview = ["any"]\nrule = "review"\n'
    authority = read(tmp_path, text).config.authority
    assert authority.rule("severity", "jira") == "review"
    for field in ("status", "title", "severity"):
        assert authority.row(field, "pagerduty") == DEFAULT.row(field, "pagerduty")
    assert authority.row("tags", "unheard-of") == DEFAULT.row("tags", "unheard-of")


def test_several_remote_ids_of_one_service_become_several_pairs(tmp_path: Path) -> None:
    text = MINIMAL + '[services.shop]\nname = "Shop"\n[services.shop.ids]\npd = ["P1", "P2"]\njira-payments = 7\n'
    settings = read(tmp_path, text)
    assert settings.vocabulary["pd"]["services"] == [["shop", "P1"], ["shop", "P2"]]
    assert settings.vocabulary["jira-payments"]["services"] == [["shop", 7]]


WRONG = {
    "an unknown key, with what was meant": (
        '[hub]\nbase_ulr = "https://x"',
        "[hub].base_ulr: unknown key; there is no such key here; remove it or correct its name (did you mean 'base_url'?)",
    ),
    "an unknown table": ("[hubs]", "[hubs]: unknown key"),
    "a connection without a vendor": ("[connections.x]\nurl = 'https://x'", "[connections.x].vendor: field required; add it"),
    "a state that is none": ("[connections.x]\nvendor = 'jira'\nstate = 'on'", "[connections.x].state: input should be 'observe'"),
    "a name that cannot stand in a path": ("[connections.A_b]\nvendor = 'jira'", "[connections.A_b]: this name cannot be used"),
    "a severity that is none": (
        MINIMAL + "[[policy.links]]\nconnection = 'pd'\nseverity_at_least = 'high'",
        "[[policy.links]] no. 1, severity_at_least: 'high' is not one of SEV1",
    ),
    "a link to a connection that is not there": (
        MINIMAL + "[[policy.links]]\nconnection = 'jira-payment'",
        "[[policy.links]] no. 1, connection: there is no connection 'jira-payment'; did you mean 'jira-payments'?",
    ),
    "a service that is not there": (
        MINIMAL + "[[policy.links]]\nconnection = 'pd'\nservices = ['shop']",
        "[[policy.links]] no. 1, services: there is no service 'shop'; add [services.shop] or remove it",
    ),
    "a slot that would be closed": (
        MINIMAL + "[[policy.links]]\nconnection = 'pd'\nslot = 'secondary-1'",
        "[[policy.links]] no. 1, slot: 'secondary-1' must consist of lower-case letters, digits and hyphens, such as primary; slots",
    ),
    "a slot that no command could name": (
        MINIMAL + "[[policy.links]]\nconnection = 'pd'\nslot = 'The Second'",
        "[[policy.links]] no. 1, slot: 'The Second' must consist of",
    ),
    "an opener that is not there": (MINIMAL + "[policy]\nopens = ['x']", "[policy].opens: there is no connection 'x'"),
    "an account elsewhere": (
        MINIMAL + "[people.ada]\nname = 'Ada'\naccounts = { nowhere = '1' }",
        "[people.ada.accounts].nowhere: there is no connection 'nowhere'",
    ),
    "a vocabulary of nobody": (MINIMAL + "[vocabulary.x]\nstatus = []", "[vocabulary.x]: there is no connection 'x'"),
    "people written twice": (MINIMAL + "[vocabulary.pd]\npeople = []", "[vocabulary.pd].people: this table is made from [people]"),
    "a pair that is none": (MINIMAL + "[vocabulary.pd]\nstatus = [['a']]", "[vocabulary.pd].status no. 1: "),
    "a word that is a table": (
        MINIMAL + "[vocabulary.pd]\nstatus = [['resolved', [1, {a = 2}]]]",
        "[vocabulary.pd].status no. 1: a word is a text, a number",
    ),
    "a connection named as the hub itself": ("[connections.hub]\nvendor = 'jira'", "[connections.hub]: the hub itself uses this name"),
    "a connection named as the house rules": ("[connections.policy]\nvendor = 'jira'", "[connections.policy]: the hub itself uses this name"),
    "a limit that is no number": (
        "[connections.x]\nvendor = 'jira'\nmax_body_bytes = '1MB'",
        "[connections.x].max_body_bytes: input should be a valid integer; write a whole number, without quotes",
    ),
    "a limit below all webhooks": ("[connections.x]\nvendor = 'jira'\nmax_body_bytes = -1", "[connections.x].max_body_bytes: input should be"),
    "a limit above all memory": ("[connections.x]\nvendor = 'jira'\nmax_body_bytes = 10000000000", "[connections.x].max_body_bytes: input"),
    "a text that should be true or false": (
        MINIMAL + "[[policy.links]]\nconnection = 'pd'\nhold = 'yes'",
        "[[policy.links]] no. 1, hold: input should be a valid boolean; write true or false, without quotes",
    ),
    "a number that should be true or false": ("[policy]\ncomments = 1", "[policy].comments: input should be a valid boolean; write true"),
    "a text that should be a number": (
        "[hub]\ntrusted_proxies = '1'",
        "[hub].trusted_proxies: input should be a valid integer; write a whole number, without quotes",
    ),
    "a fraction that should be a whole number": (
        "[connections.x]\nvendor = 'jira'\ncalls_per_minute = 60.0",
        "[connections.x].calls_per_minute: input should be a valid integer; write a whole number",
    ),
    "a switch that should be a number": ("[[authority]]\nrank = true", "[[authority]] no. 1, rank: input should be a valid integer"),
    "an authority of no vendor": (MINIMAL + "[[authority]]\nvendor = 'jra'", "[[authority]] no. 1, vendor: no connection is of vendor"),
    "a move that is none": (MINIMAL + "[[authority]]\ntake = ['up']", "[[authority]] no. 1, take: 'up' is not one of forward"),
    "a template with an unknown placeholder": (
        "[policy.public]\ntitle = '{title} is down'",
        "[policy.public].title: the only placeholder is {services}",
    ),
    "variables that two connections would share": (
        "[connections.a-b]\nvendor = 'jira'\n[connections.a--b]\nvendor = 'jira'",
        "[connections.a--b]: its variables would have the same names",
    ),
    "a database of another kind": ("[hub]\ndatabase = 'mysql://x/y'", "[hub].database: it must begin with sqlite:/// or postgresql://"),
    "a queue of another kind": ("[hub]\nredis = 'amqp://x'", '[hub].redis: it must be "embedded", "none" or a redis:// address'),
    "an address that is none": ("[hub]\nbase_url = 'lockstep'", "[hub].base_url: it must begin with https://"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_with_file_place_and_remedy(tmp_path: Path, text: str, words: str) -> None:
    (problem,) = refused(tmp_path, text)
    assert problem.startswith(f"{tmp_path / 'lockstep.toml'}: {words}")


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    text = "[hub]\nx = 1\ny = 2\n[connections.a]\nstate = 'on'\n[policy]\nopens = 3"
    assert len(refused(tmp_path, text)) == 5


SECRETS = {
    "token": "'abc'", "api_token": "'abc'", "webhook_secret": "'abc'", "password": "'abc'", "routing_key": "'abc'",
    "client_secret": "'abc'", "anything": "'Bearer abcdefghijk'",
    "hook": "'https://prod.logic.azure.com/x?api-version=1&sig=abcdef'", "pem": "'-----BEGIN RSA PRIVATE KEY-----'",
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), SECRETS.items(), ids=SECRETS)
def test_a_secret_in_the_file_is_refused_with_the_variable_to_use_and_never_shown(
    tmp_path: Path, key: str, value: str
) -> None:
    (problem,) = refused(tmp_path, f"[connections.jira-payments]\nvendor = 'jira'\n{key} = {value}")
    assert f"LOCKSTEP_JIRA_PAYMENTS_{key.upper()}_FILE" in problem
    assert value.strip("'") not in problem


def test_a_password_in_an_address_is_answered_with_what_can_be_done(tmp_path: Path) -> None:
    url = "https://user:hunter2@jira.example.com"
    (problem,) = refused(tmp_path, f"[connections.jira]\nvendor = 'jira'\nurl = '{url}'")
    assert "[connections.jira].url: this looks like a secret" in problem
    assert "without user and password" in problem
    assert "LOCKSTEP_JIRA_URL" not in problem, "nothing reads it"
    assert "hunter2" not in problem
    (problem,) = refused(tmp_path, f"[hub]\nbase_url = '{url}'")
    assert problem.endswith("write the address without user and password")


@pytest.mark.parametrize("key", ["project_key", "client_id", "token_url", "webhook_auth", "encryption_certificate_id"])
def test_a_key_that_only_sounds_like_a_secret_is_not_refused(tmp_path: Path, key: str) -> None:
    assert (
        read(tmp_path, f"[connections.x]\nvendor = 'jira'\n{key} = 'PAY'").config.connections["x"].settings[key]
        == "PAY"
    )


def test_a_database_password_in_the_file_is_refused(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "[hub]\ndatabase = 'postgresql://hub:hunter2@db/lockstep'")
    assert "set LOCKSTEP_DATABASE_URL" in problem
    assert "hunter2" not in problem


def test_a_missing_file_and_a_broken_one_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file; run `lockstep config example"):
        load(tmp_path / "none.toml", {})
    assert "line 2" in refused(tmp_path, "[hub]\nbase_url = https://x")[0]


def test_the_embedded_parts_are_the_default_and_stand_beside_the_file(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    assert settings.database_url == f"sqlite:///{tmp_path}/.lockstep/lockstep.db"
    assert settings.redis_url is None
    assert settings.vault_key is None


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("postgresql://hub:pw@db/lockstep\n")
    settings = read(
        tmp_path,
        "[hub]\ndata_dir = 'there'\nredis = 'redis://here'",
        LOCKSTEP_DATABASE_URL_FILE=str(tmp_path / "db"),
        LOCKSTEP_REDIS_URL="none",
        LOCKSTEP_DATA=str(tmp_path / "elsewhere"),
        LOCKSTEP_VAULT_KEY="k",
    )
    assert settings.database_url == "postgresql://hub:pw@db/lockstep"
    assert settings.redis_url == ""
    assert settings.data_dir == tmp_path / "elsewhere"
    assert settings.vault_key == b"k"
    assert "pw@" not in repr(settings.config)


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "", LOCKSTEP_VAULT_KEY_FILE=str(tmp_path / "gone"))
    assert "LOCKSTEP_VAULT_KEY_FILE names" in problem


def test_the_file_is_found_by_variable_or_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert where({}) == tmp_path / "lockstep.toml"
    assert where({"LOCKSTEP_CONFIG": "/etc/lockstep/eu.toml"}) == Path("/etc/lockstep/eu.toml")


def test_the_settings_keep_their_secrets_out_of_their_repr(tmp_path: Path) -> None:
    settings = read(tmp_path, "", LOCKSTEP_VAULT_KEY="unspeakable", LOCKSTEP_PD_TOKEN="unspeakable")
    assert "unspeakable" not in repr(settings)


def test_places_are_written_as_in_the_file() -> None:
    assert place(("connections", "jira-payments", "url")) == "[connections.jira-payments].url"
    assert place(("policy", "links", 0, "connection")) == "[[policy.links]] no. 1, connection"
    assert place(("services", "shop", "ids", "pd")) == "[services.shop.ids].pd"


def test_every_table_of_the_file_has_its_place_in_the_example() -> None:
    from hub.settings.models import Document

    assert set(Document.model_fields) == set(tomllib.loads(EXAMPLE))
