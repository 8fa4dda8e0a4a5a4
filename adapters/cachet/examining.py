"""The checks of `lockstep doctor` for a Cachet installation."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.cachet.client import Client
from adapters.statuspages import as_list
from hub.domain.errors import Refused, Unauthorised, VendorError
from hub.domain.values import Finding


def examine(client: Client, mapped: Sequence[str]) -> list[Finding]:
    """mapped: the component ids in the vocabulary."""
    try:
        version = client.get("/version")
        if version is None:
            return [
                Finding(
                    "error", "there is no Cachet API here", "check url; the API must be enabled in Cachet's settings"
                )
            ]
        return [_version(str(version.get("data") or "")), _token(client), *_components(client, mapped)]
    except Unauthorised as error:
        return [Finding("error", error.words, "make a token in Cachet (Settings, API keys) and set it as api_token")]
    except VendorError as error:
        return [Finding("error", error.words, "try again; if it persists, check the installation's log")]


def _version(version: str) -> Finding:
    if version.lstrip("v").startswith("3"):
        return Finding("ok", f"Cachet {version}")
    return Finding(
        "error", f"Cachet {version or 'of unknown version'}", "this adapter supports version 3 only; upgrade Cachet"
    )


def _token(client: Client) -> Finding:
    """Checks the token by listing subscribers, which requires one: other reads are public and accept any token."""
    try:
        client.get("/subscribers", {"per_page": 1})
    except Unauthorised as error:
        if "403" not in error.words:
            raise
    except Refused:
        return Finding("warn", "cannot check whether the token is valid", "try a write on a test installation")
    return Finding("ok", "the token is accepted")


def _components(client: Client, mapped: Sequence[str]) -> list[Finding]:
    known = {str(row.get("id")) for document in client.walk("/components") for row in as_list(document.get("data"))}
    missing = [id for id in mapped if id not in known]
    if not missing:
        return [Finding("ok", f"{len(mapped)} mapped components are on the page")]
    return [Finding("error", f"no component {id} on the page", "correct the services table") for id in missing]
