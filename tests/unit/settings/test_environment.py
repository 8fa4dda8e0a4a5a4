"""Secrets from the environment: named by connection, from variables or files, several during a rotation."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.domain.errors import Unauthorised
from hub.settings.environment import EnvSecrets, secret_variable


def test_a_secret_is_named_after_its_connection() -> None:
    assert secret_variable("jira-payments", "webhook_secret") == "LOCKSTEP_JIRA_PAYMENTS_WEBHOOK_SECRET"


def test_a_missing_secret_names_the_variable_to_set() -> None:
    with pytest.raises(Unauthorised, match="set LOCKSTEP_PD_API_TOKEN, or LOCKSTEP_PD_API_TOKEN_FILE"):
        EnvSecrets("pd", {}).get("api_token")
    assert EnvSecrets("pd", {}).all("api_token") == ()


def test_a_secret_may_stand_in_a_file_which_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    secrets = EnvSecrets("pd", {"LOCKSTEP_PD_TOKEN_FILE": str(file)})
    assert secrets.get("token") == "first"
    file.write_text("second")
    assert secrets.get("token") == "second"


def test_two_values_are_valid_while_one_is_rotated() -> None:
    lines = EnvSecrets("pd", {"LOCKSTEP_PD_S": "new\nold\n"})
    numbered = EnvSecrets("pd", {"LOCKSTEP_PD_S_2": "old", "LOCKSTEP_PD_S_1": "new"})
    for secrets in (lines, numbered):
        assert secrets.all("s") == ("new", "old")
        assert secrets.get("s") == "new"


def test_a_numbered_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "two").write_text("old")
    secrets = EnvSecrets("pd", {"LOCKSTEP_PD_S_1": "new", "LOCKSTEP_PD_S_2_FILE": str(tmp_path / "two")})
    assert secrets.all("s") == ("new", "old")


def test_a_private_key_of_several_lines_is_one_value() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"
    assert EnvSecrets("teams", {"LOCKSTEP_TEAMS_KEY": pem}).all("key") == (pem,)


def test_a_file_that_cannot_be_read_names_variable_and_path_and_nothing_else(tmp_path: Path) -> None:
    secrets = EnvSecrets("pd", {"LOCKSTEP_PD_S_FILE": str(tmp_path / "gone")})
    with pytest.raises(Unauthorised, match=r"LOCKSTEP_PD_S_FILE names .*gone.* No such file"):
        secrets.get("s")


def test_what_arrives_at_run_time_needs_the_vault() -> None:
    with pytest.raises(Unauthorised, match="set LOCKSTEP_VAULT_KEY"):
        EnvSecrets("pd", {}).put("webhook_secret", "unspeakable")


def test_no_value_is_in_the_repr() -> None:
    assert repr(EnvSecrets("pd", {"LOCKSTEP_PD_S": "unspeakable"})) == "EnvSecrets('pd')"
