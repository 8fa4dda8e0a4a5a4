"""The command line: it starts fast, every command has a help text, and the exit code shows the result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text, update

from hub import services
from hub.cli import COMMANDS, cli
from hub.cli.base import EXIT_CODES, Command
from hub.store.faults import Collision
from hub.store.records import Unmatched, save
from hub.store.tables import links
from workers import bootstrap

CONFIG = """
[hub]
redis = "none"
[connections.jira-payments]
vendor = "jira"
deployment = "cloud"
url = "http://127.0.0.1:9/jira"
email = "lockstep@example.com"
project = "PAY"
issue_type = "Incident"
[[policy.links]]
connection = "jira-payments"
"""


def words(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its path of words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from words(found, (*path, name))
    else:
        yield path, command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, and a process without a hub."""
    (tmp_path / "lockstep.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "_hubs", {})
    return tmp_path


@pytest.fixture
def run(here: Path) -> Any:
    def run(line: str, *more: str) -> Result:
        return CliRunner().invoke(cli, [*line.split(), *more])

    assert run("migrate").exit_code == 0
    return run


def parsed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# ---------------------------------------------------------------- help


@pytest.mark.docs
@pytest.mark.parametrize(("path", "command"), [pytest.param(p, c, id=" ".join(p)) for p, c in words()])
def test_every_command_has_a_text_an_example_of_itself_and_its_exit_codes(
    path: tuple[str, ...], command: click.Command
) -> None:
    assert isinstance(command, Command)
    assert command.help
    assert command.example.startswith(f"lockstep {' '.join(path)}")
    shown = CliRunner().invoke(cli, [*path, "--help"], terminal_width=200).output
    assert EXIT_CODES in shown
    assert command.example.splitlines()[0] in shown


@pytest.mark.docs
@pytest.mark.parametrize(("path", "command"), [pytest.param(p, c, id=" ".join(p)) for p, c in words()])
def test_every_example_is_taken_by_its_command(path: tuple[str, ...], command: click.Command) -> None:
    import shlex

    assert isinstance(command, Command)
    for line in command.example.splitlines():
        given = shlex.split(line.split(" > ")[0])[1 + len(path) :]
        command.make_context(" ".join(path), given)


def test_every_word_leads_to_a_command_of_that_name() -> None:
    assert {path[0] for path, _ in words()} == set(COMMANDS)


HEAVY = ("sqlalchemy", "flask", "requests", "jira", "msgraph", "rq", "redis", "pydantic", "alembic")


def test_help_loads_nothing_that_takes_time() -> None:
    """`make bench` measures the time."""
    code = (
        "import sys; from hub.cli import main; sys.argv[1:] = ['--help']\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "Usage" in done.stdout
    assert [name for name in HEAVY if name in done.stderr.split()] == []


# ---------------------------------------------------------------- commands that use a hub


def test_an_incident_is_opened_shown_changed_and_commented(run: Any) -> None:
    made = parsed(run("incident open --severity SEV2 --as ada --json --title", "Checkout is slow"))
    assert (made["number"], made["fields"]["severity"]) == ("INC-1", "SEV2")
    parsed(run("incident set INC-1 status=monitoring tags=db,eu --json"))
    parsed(run("incident comment INC-1 --json", "Rolled back"))
    shown = parsed(run("incident show 1 --json"))
    assert shown["fields"]["status"] == "monitoring"
    assert sorted(shown["fields"]["tags"]) == ["db", "eu"]
    assert [c["text"] for c in shown["comments"]] == ["Rolled back"]
    journal = parsed(run("incident journal INC-1 --json"))
    assert journal["verified"] is True


def test_lists_are_tables_for_people_and_json_for_programs(run: Any) -> None:
    parsed(run("incident open --json --title", "Checkout is slow"))
    people = run("incident list --open")
    assert "Checkout is slow" in people.stdout
    assert people.stdout.splitlines()[0].split()[0] == "incident"
    for line in ("incident list", "link list", "inbox list", "failed-writes list", "unmatched list"):
        assert "items" in parsed(run(f"{line} --json"))
        assert run(line).exit_code == 0
    assert parsed(run("connections list --json"))[0]["name"] == "jira-payments"
    assert "observe" in run("connections list").stdout


HOSTILE = "x\x1b[31m\x07\x9b\u202eevil\u200b \u6f22\u5b57"


def test_what_a_terminal_would_obey_is_shown_to_people_and_exact_for_programs(run: Any) -> None:
    """No title from outside rings the bell, moves the cursor or reverses the text around it; JSON has every character."""
    parsed(run("incident open --json --as ada --title", HOSTILE))
    parsed(run("incident set INC-1 --json", f"roles={HOSTILE}:{HOSTILE}"))
    parsed(run("incident comment INC-1 --json", HOSTILE))
    for line in ("incident list", "incident show 1", "incident journal 1"):
        shown = run(line).stdout
        assert r"x\x1b[31m\x07\x9b\u202eevil\u200b" in shown
        assert "\u6f22\u5b57" in shown
        assert not set("\x1b\x07\x9b\u202e\u200b") & set(shown), line
    assert parsed(run("incident show 1 --json"))["fields"]["title"] == HOSTILE


def test_a_connection_is_switched(run: Any) -> None:
    for word, state in (("enable", "enabled"), ("disable", "disabled"), ("observe", "observe")):
        assert parsed(run(f"connections {word} jira-payments --json"))["state"] == state


def test_the_hub_is_paused_and_goes_on(run: Any) -> None:
    assert parsed(run("pause --json")) == {"paused": True}
    assert parsed(run("resume --json")) == {"paused": False}


def test_a_token_is_shown_once_and_revoked(run: Any) -> None:
    made = parsed(run("token create dashboard --scope write --json"))
    assert made["token"].startswith("ls_")
    assert made["token"] not in run("token list").stdout
    assert parsed(run("token revoke dashboard --json")) == {"revoked": 1}
    assert run("token revoke dashboard").exit_code == 3


# ---------------------------------------------------------------- exit codes

ENDS = {
    "incident show 99": 3,
    "link show nowhere": 3,
    "connections enable nowhere": 3,
    "connections subscribe nowhere": 3,
    "inbox show nowhere": 3,
    **{f"failed-writes {word} nowhere": 3 for word in ("show", "retry", "discard")},
    **{f"unmatched {words}": 3 for words in ("link nowhere INC-1", "open nowhere", "ignore nowhere")},
    **dict.fromkeys(("inbox retry nowhere", "link refresh nowhere"), 3),
    "token create x --scope root": 2,
    "incident set 1 status=nonsense": 2,
    "incident set 1 nothing": 2,
    "incident set 1 title=": 2,
    "incident show \N{SUPERSCRIPT ONE}": 3,
    "incident comment \N{SUPERSCRIPT ONE} x": 3,
    "incident merge \N{SUPERSCRIPT ONE} 1": 3,
    "incident update 1 x --audience pubic": 2,
    "link list \N{SUPERSCRIPT ONE}": 3,
    "link list --state bogus": 2,
    "token create x --days 9999999": 2,
    "token create x --days 999999999999": 2,
    "incident show \udcff": 2,
    "incident open --title x --as \udcff": 2,
    "incident set 1 title=\udcff": 2,
    "link show \udcff": 2,
    "inbox show \udcff": 2,
    "failed-writes discard \udcff": 2,
    "unmatched open \udcff": 2,
    "token revoke \udcff": 2,
    "connections enable \udcff": 2,
    "incident list --nonsense": 2,
    "incident list --before zzz": 2,
    "connections subscribe jira-payments": 1,
}


@pytest.mark.parametrize(("line", "code"), ENDS.items(), ids=map(ascii, ENDS))
def test_the_exit_code_says_how_it_ended_and_stderr_says_why(run: Any, line: str, code: int) -> None:
    parsed(run("incident open --json --title", "x"))
    result = run(line)
    assert result.exit_code == code, result.output
    assert result.stderr
    assert isinstance(result.exception, SystemExit)
    assert not result.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("line", ["config example", "--help"])
def test_an_answer_that_cannot_be_written_is_a_failure_in_one_sentence(line: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hub.cli", *line.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "No space left on device\n")


def test_an_approval_of_other_content_is_a_conflict(run: Any) -> None:
    parsed(run("incident open --json --title", "x"))
    (link,) = parsed(run("link list --json"))["items"]
    assert run(f"link approve {link['id']} --hash 0").exit_code == 4


def test_a_change_that_lost_to_another_at_the_same_moment_is_a_conflict(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slower(*args: Any, **named: Any) -> Any:
        raise Collision("UNIQUE constraint failed: incidents.number")

    monkeypatch.setattr(services, "edit_incident", slower)
    ended = run("incident set 1 title=x")
    words = "another request changed this object at the same moment; nothing was changed. Read it again, then repeat\n"
    assert (ended.exit_code, ended.stderr) == (4, words)


def test_a_text_that_a_person_decides_by_is_shown_whole(run: Any) -> None:
    parsed(run("incident open --json --title x --description", "word " * 50 + "end"))
    assert "word end" in run("incident show 1").output


def test_a_configuration_that_is_wrong_ends_with_2_and_every_problem(here: Path) -> None:
    (here / "lockstep.toml").write_text("[hub]\na = 1\nb = 2\n")
    for line in ("incident list", "migrate", "config check", "worker --burst", "timer", "up", "web"):
        result = CliRunner().invoke(cli, line.split())
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 2), line


def test_a_connection_that_cannot_be_built_is_named_with_its_place(here: Path) -> None:
    text = CONFIG.replace('deployment = "cloud"\n', "")
    (here / "lockstep.toml").write_text(text + '[connections.x]\nvendor = "nobody"\n')
    result = CliRunner().invoke(cli, ["config", "check"])
    assert result.exit_code == 2
    assert "[connections.jira-payments]" in result.stderr
    assert "no adapter 'nobody'" in result.stderr


def test_a_database_without_tables_says_what_to_do(here: Path) -> None:
    result = CliRunner().invoke(cli, ["incident", "list"])
    assert result.exit_code == 1
    assert "lockstep migrate" in result.stderr


# ---------------------------------------------------------------- configuration and doctor


def test_the_example_passes_its_own_check(here: Path) -> None:
    (here / "lockstep.toml").write_text(CliRunner().invoke(cli, ["config", "example"]).stdout)
    result = CliRunner().invoke(cli, ["config", "check"])
    assert result.exit_code == 0, result.output


def test_the_web_logs_at_the_level_that_is_asked_for(here: Path) -> None:
    line = "import logging, wsgi; print(logging.getLogger().level == logging.ERROR)"
    ran = subprocess.run(
        [sys.executable, "-c", line], env={**os.environ, "LOCKSTEP_LOG_LEVEL": "ERROR"}, capture_output=True, text=True
    )
    assert ran.stdout == "True\n", ran.stderr


def test_migrate_says_whether_there_is_something_to_do(here: Path) -> None:
    assert CliRunner().invoke(cli, ["migrate", "--check"]).exit_code == 1
    assert CliRunner().invoke(cli, ["migrate"]).exit_code == 0
    assert CliRunner().invoke(cli, ["migrate", "--check"]).exit_code == 0


def test_migrate_says_that_a_database_is_newer_than_this_version(run: Any) -> None:
    with bootstrap.of_this_process().store.unit() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for line in ("migrate", "migrate --check"):
        ended = run(line)
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert "newer than this version" in ended.stderr


@pytest.mark.parametrize("line", ["incident list", "doctor", "migrate --check"])
def test_a_question_makes_no_database_and_names_the_path(here: Path, line: str) -> None:
    result = CliRunner().invoke(cli, line.split(), env={"LOCKSTEP_DATA": str(here / "else" / "where")})
    assert result.exit_code == 1
    assert line == "migrate --check" or str(here / "else" / "where" / "lockstep.db") in result.output
    assert "lockstep migrate" in result.output
    assert [path.name for path in here.iterdir()] == ["lockstep.toml"]


@pytest.mark.parametrize("line", ["up", "migrate", "doctor", "incident list"])
def test_a_damaged_database_is_named_with_what_to_do(here: Path, line: str) -> None:
    (here / ".lockstep").mkdir()
    path = here / ".lockstep" / "lockstep.db"
    path.write_bytes(b"SQLite format 3\0" + b"?" * 4096)
    result = CliRunner().invoke(cli, line.split())
    assert result.exit_code == 1
    assert f"{path} is damaged" in result.output
    assert "put a backup in its place" in result.output


def test_nobody_else_may_enter_the_data_folder_that_migrate_makes(run: Any, here: Path) -> None:
    assert (here / ".lockstep").stat().st_mode & 0o777 == 0o700


def test_doctor_finds_what_is_missing_and_says_what_to_do(here: Path) -> None:
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["ok"] is False
    by_part = {f["part"]: f for f in found["findings"]}
    assert (by_part["database"]["level"], by_part["database"]["remedy"]) == ("error", "run `lockstep migrate`")
    assert by_part["redis"]["level"] == "warn"
    assert by_part["vault"]["level"] == "warn"


def test_doctor_looks_at_each_connection_and_names_a_missing_secret(run: Any) -> None:
    result = run("doctor")
    assert result.exit_code == 1
    assert "connection jira-payments" in result.stdout
    assert "LOCKSTEP_JIRA_PAYMENTS_TOKEN" in result.stdout


def test_doctor_asks_no_vendor_when_asked_for_another_part(run: Any) -> None:
    result = run("doctor --part database")
    assert result.exit_code == 0
    assert "connection" not in result.stdout


def test_doctor_says_that_nothing_waits_only_when_nobody_has_to_decide(run: Any) -> None:
    assert "nothing waits for a person" in run("doctor --part work").stdout
    parsed(run("incident open --json --title", "x"))
    hub = bootstrap.of_this_process()
    with hub.store.unit() as tx:
        tx.execute(update(links).values(state="held"))
    drafts = run("doctor --part work").stdout
    assert "1 draft(s) wait for an approval" in drafts
    assert "lockstep link list --state held" in drafts
    assert "nothing waits" not in drafts

    with hub.store.unit() as tx:
        tx.execute(update(links).values(state="live"))
        unmatched = Unmatched("s" * 26, "jira-payments", "issue", "PAY-1", hub.clock.now())
        unmatched.state = "proposed"
        save(tx, unmatched)
    proposed = run("doctor --part work").stdout
    assert "1 unmatched object(s) fit several incidents" in proposed
    assert "lockstep unmatched list --state proposed" in proposed
    assert "lockstep unmatched link" in proposed
    assert "nothing waits" not in proposed


def test_doctor_names_every_problem_of_the_configuration(here: Path) -> None:
    (here / "lockstep.toml").write_text("[hub]\na = 1\nb = 2\n")
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["findings"]) == 2
