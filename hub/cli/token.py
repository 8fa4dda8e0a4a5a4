"""`lockstep token ...`: tokens of the JSON API."""

from __future__ import annotations

from datetime import timedelta

import click

from hub.cli.base import MISSING, MISUSED, Ended, Group, answer, as_json, asked, table

COLUMNS = {
    "id": "id",
    "name": "name",
    "scopes": "scopes",
    "created_at": "created",
    "expires_at": "expires",
    "revoked_at": "revoked",
}


@click.group(cls=Group)
def token() -> None:
    """Tokens of the JSON API."""


@token.command(example="lockstep token create dashboard --scope read --days 90")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, default=("read",), show_default=True, help="read, write or admin; each includes those before it.")  # fmt: skip
@click.option("--days", type=click.IntRange(1, 36_500), default=90, show_default=True)
@click.option("--forever", is_flag=True, help="Valid until it is revoked.")
@as_json
def create(name: str, scopes: tuple[str, ...], days: int, forever: bool, as_json: bool) -> None:
    """Creates a token and prints it. It cannot be shown again."""
    from hub.store import tokens

    with asked() as hub:
        try:
            lifetime = None if forever else timedelta(days=days)
            id, secret = tokens.create(hub.store, hub.clock, hub.ids, name, scopes, lifetime)
        except ValueError as e:
            raise Ended(MISUSED, str(e)) from None
    answer({"id": id, "name": name, "token": secret}, as_json, lambda made: click.echo(made["token"]))


@token.command("list", example="lockstep token list")
@as_json
def list_(as_json: bool) -> None:
    """Lists every token, without its secret."""
    from hub.store import tokens

    with asked() as hub:
        found = tokens.listed(hub.store)
    answer(found, as_json, lambda rows: table(rows, COLUMNS, "no tokens"))


@token.command(example="lockstep token revoke dashboard")
@click.argument("id_or_name")
@as_json
def revoke(id_or_name: str, as_json: bool) -> None:
    """Revokes the token with this id, or all tokens with this name, at once."""
    from hub.store import tokens

    with asked() as hub:
        ended = tokens.revoke(hub.store, hub.clock, id_or_name)
    if not ended:
        raise Ended(MISSING, f"there is no valid token {id_or_name!r}; `lockstep token list` shows all of them")
    answer({"revoked": ended}, as_json)
