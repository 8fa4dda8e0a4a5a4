"""Logs contain no secrets, whichever library writes them."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from hub import logs
from hub.settings.environment import EnvSecrets

BARE = "correct horse battery staple"
"""A secret without a recognisable form."""

SECRET = "s3cr3t-s3cr3t-s3cr3t"

TEXTS = {
    "bearer": f"Authorization: Bearer {SECRET}",
    "pagerduty": f"Token token={SECRET}",
    "basic": f"basic auth Basic {SECRET}",
    "address": f"postgresql://hub:{SECRET}@db/lockstep",
    "query": f"https://x.example.com/hook?a=1&sig={SECRET}",
    "own token": f"ls_{SECRET}",
    "signing secret": f"whsec_{SECRET}",
    "key": f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
}


@contextlib.contextmanager
def configured() -> Iterator[None]:
    """Configures our logging for a part of a test; within the test, because pytest replaces stderr for it."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    logs.configure("DEBUG", human=False)
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook = saved
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_value_that_looks_like_a_secret_is_taken_out(text: str) -> None:
    assert SECRET not in logs.clean(text)
    assert logs.GONE in logs.clean(text)


def test_a_key_that_names_a_secret_loses_its_value_however_deep() -> None:
    cleaned = logs.clean({"headers": [{"X-Api-Key": SECRET, "Accept": "json"}], "webhook_secret": SECRET})
    assert cleaned == {"headers": [{"X-Api-Key": logs.GONE, "Accept": "json"}], "webhook_secret": logs.GONE}


def test_plain_words_stay() -> None:
    assert logs.clean("the token bucket is empty; Basic idea") == "the token bucket is empty; Basic idea"


def test_lines_are_json_and_clean_from_our_loggers_and_from_the_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    with configured():
        structlog.get_logger("hub").info("calling", authorization=SECRET, connection="pd")
        logging.getLogger("some.library").warning("sent Bearer %s", SECRET, extra={"attempt": 2, "api_key": SECRET})
    err = capsys.readouterr().err
    ours, theirs = (json.loads(line) for line in err.splitlines())
    assert (ours["event"], ours["authorization"], ours["connection"]) == ("calling", logs.GONE, "pd")
    assert (theirs["level"], theirs["attempt"], theirs["api_key"]) == ("warning", 2, logs.GONE)
    assert SECRET not in err


def test_an_exception_is_logged_without_its_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    with configured():
        try:
            raise ValueError(f"Bearer {SECRET}")
        except ValueError:
            logging.getLogger("x").exception("it failed")
    err = capsys.readouterr().err
    assert "ValueError" in err
    assert SECRET not in err


@pytest.mark.parametrize("library", ["pypd", "jira", "urllib3"])
def test_libraries_that_print_credentials_at_debug_are_held_at_info(library: str) -> None:
    with configured():
        assert not logging.getLogger(library).isEnabledFor(logging.DEBUG)
        assert not logging.getLogger(f"{library}.deeper").isEnabledFor(logging.DEBUG)


def test_a_line_that_cannot_be_written_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with configured():
        logging.getLogger("x").warning("%d", f"Bearer {SECRET}")
    assert SECRET not in capsys.readouterr().err


def test_a_secret_of_ours_is_in_no_line_whatever_it_looks_like(capsys: pytest.CaptureFixture[str]) -> None:
    value = EnvSecrets("pd", {"LOCKSTEP_PD_TOKEN": BARE}).get("token")
    with configured():
        try:
            raise ValueError(f"cannot use '{value}'")
        except ValueError as e:
            logging.getLogger("x").exception("it failed: %s", e, extra={"error": e, "seen": {value: [value, (e,)]}})
            structlog.get_logger("hub").exception("it failed", error=e, words=f"cannot use {value}")
        ended = threading.Thread(target=lambda: int(value), name="ended")
        ended.start()
        ended.join()
    err = capsys.readouterr().err
    assert err.count(f"ValueError: cannot use '{logs.GONE}'") == 2
    assert f"invalid literal for int() with base 10: '{logs.GONE}'" in err
    assert BARE not in err


ASKING = """
import logging
from hub import logs
from hub.settings.environment import EnvSecrets
logs.last_resort()
value = EnvSecrets("pd", {"LOCKSTEP_PD_TOKEN": "correct horse battery staple"}).get("token")
try:
    int(value)
except ValueError:
    logging.getLogger("x").exception("it failed with %s", value)
logging.getLogger("x").warning("%d", value)
float(value)
"""


def test_a_process_without_logging_prints_no_secret_either() -> None:
    ran = subprocess.run([sys.executable, "-c", ASKING], capture_output=True, text=True)
    assert ran.returncode == 1
    assert f"it failed with {logs.GONE}\nTraceback" in ran.stderr
    assert f"could not convert string to float: '{logs.GONE}'" in ran.stderr
    assert BARE not in ran.stderr
