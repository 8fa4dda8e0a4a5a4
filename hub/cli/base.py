"""What all commands share: exit codes, output, and access to the hub.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it failed (stderr has the reason) |
| 2 | wrong use, or wrong configuration |
| 3 | not found |
| 4 | conflict: the object changed since it was read, or its state does not allow this |
"""

from __future__ import annotations

import contextlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from hub.settings.load import Settings
    from hub.sync.hub import Hub

DONE, FAILED, MISUSED, MISSING, CONFLICT = 0, 1, 2, 3, 4
EXIT_CODES = "0 done · 1 failed · 2 wrong use or configuration · 3 not found · 4 conflict"

ELSEWHERE = "correct LOCKSTEP_DATABASE_URL or LOCKSTEP_DATA"
"""The remedy if the configuration names the wrong database."""

F = TypeVar("F", bound=Callable[..., Any])


class Ended(click.ClickException):
    """Ends the command with this exit code and this message on stderr."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return self.code

    def show(self, file: Any = None) -> None:
        print_text(self.message, err=True)


class Command(click.Command):
    """A command with an example in its help."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def invoke(self, ctx: click.Context) -> Any:
        for param in self.get_params(ctx):
            for word in _words_of(ctx.params.get(str(param.name))):
                if any("\ud800" <= c <= "\udfff" for c in word):  # Python's escape for a byte that is not UTF-8
                    raise Ended(MISUSED, f"{param.get_error_hint(ctx)}: {word!a} is not UTF-8")
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")
        with formatter.section("Exit codes"):
            formatter.write_text(EXIT_CODES)


def _words_of(value: Any) -> Iterator[str]:
    """The strings in the value of a parameter; a parameter that may be repeated has a tuple of them."""
    for word in value if isinstance(value, tuple) else (value,):
        if isinstance(word, str):
            yield word


class Group(click.Group):
    """A command with subcommands."""

    command_class = Command


Group.group_class = Group

as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
limit = click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most this many.")
before = click.option("--before", metavar="ID", help="Only older ones: the `next` of the previous answer.")


def acting(function: F) -> F:
    """Adds `--as`: the person on whose behalf the command acts."""
    option = click.option(
        "--as", "actor", envvar="LOCKSTEP_ACTOR", default=_user, metavar="PERSON",
        help="Who acts, for the journal: an id from [people] or an e-mail address.  [default: your account here]",
    )  # fmt: skip
    return option(function)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in containers
        return "cli"


def settings() -> Settings:
    """The configuration. Ends with exit code 2 and every problem, one a line, if it is invalid."""
    from hub import logs
    from hub.settings.load import SettingsError, load

    logs.last_resort()
    try:
        return load()
    except SettingsError as e:
        raise Ended(MISUSED, str(e)) from None


@contextlib.contextmanager
def asked() -> Iterator[Hub]:
    """The hub, for one command. Errors of the services end the command with their exit code."""
    from hub import logs, services
    from hub.settings.database import no_file
    from hub.settings.load import SettingsError
    from hub.store.faults import COLLIDED, Collision, StoreUnavailable
    from hub.sync.hub import ConnectionLeftOut, NoSuchConnection
    from workers.bootstrap import of_this_process

    logs.last_resort()
    if missing := no_file(settings().database_url):
        raise Ended(FAILED, f"there is no database at {missing}; run `lockstep migrate`, or {ELSEWHERE}")
    try:
        yield of_this_process(asks=True)
    except SettingsError as e:
        raise Ended(MISUSED, str(e)) from None
    except services.Invalid as e:
        raise Ended(MISUSED, str(e)) from None
    except ConnectionLeftOut as e:
        raise Ended(FAILED, _words(e)) from None
    except (services.NotFound, NoSuchConnection) as e:
        raise Ended(MISSING, _words(e)) from None
    except services.Conflict as e:
        raise Ended(CONFLICT, str(e)) from None
    except Collision:
        raise Ended(CONFLICT, COLLIDED) from None
    except StoreUnavailable as e:
        remedy = (
            "run `lockstep migrate`" if "no such table" in str(e) else e.remedy or "run `lockstep doctor` for details"
        )
        raise Ended(FAILED, f"the database cannot be used: {e.words}; {remedy}") from None


def _words(error: Exception) -> str:
    return str(error.args[0]) if error.args else type(error).__name__


UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that a terminal executes or hides instead of showing."""

JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiners: hidden too, but part of words (Persian) and of emoji."""


def visible(text: str) -> str:
    """Untrusted text, safe for a terminal: characters that would move the cursor, ring the bell, or reverse or hide the
    text around them are escaped, as in `\\x1b` and `\\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(c)[1:-1] if unicodedata.category(c) in UNSEEN and c not in JOINERS else c for c in text
    )  # fmt: skip


CELL = 120
"""Characters of a text in a table."""


def print_text(text: str, *, err: bool = False) -> None:
    """Prints lines for a person; control characters are escaped (`visible`)."""
    click.echo("\n".join(visible(line) for line in text.split("\n")), err=err)


def answer(data: Any, as_json: bool, show: Callable[[Any], None] | None = None) -> None:
    """Prints the answer: as JSON, or by `show` (default: `record`)."""
    if as_json:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))
    else:
        (show or record)(data)


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], empty: str = "nothing") -> None:
    """Prints rows under titles. columns: key → title; `a.b` is the key `b` of the mapping `a`."""
    if not rows:
        print_text(empty)
        return
    lines = [[_cell(_inside(row, key)) for key in columns] for row in rows]
    widths = [max(len(t), *(len(line[n]) for line in lines)) for n, t in enumerate(columns.values())]
    for line in (list(columns.values()), *lines):
        print_text("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def more(answered: Mapping[str, Any]) -> None:
    """Prints how to ask for the next page, if there is one."""
    if answered.get("next"):
        print_text(f"(more: --before {answered['next']})")


def record(data: Any, indent: int = 0) -> None:
    """Prints one object, field by field."""
    if not isinstance(data, Mapping):
        print_text(" " * indent + _text(data))
        return
    width = max((len(_cell(k)) for k in data), default=0)
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            print_text(f"{' ' * indent}{_cell(key)}")
            record(value, indent + 2)
        elif isinstance(value, list) and any(isinstance(v, Mapping) for v in value):
            print_text(f"{' ' * indent}{_cell(key)}")
            for one in value:
                print_text(f"{' ' * (indent + 2)}- " + ", ".join(f"{k}: {_text(v)}" for k, v in one.items() if v not in (None, "", [], {})))  # fmt: skip
        else:
            print_text(f"{' ' * indent}{_cell(key).ljust(width)}  {_text(value)}")


def _inside(row: Mapping[str, Any], key: str) -> Any:
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _cell(value: Any) -> str:
    """The text of a table's cell, cut off after `CELL` characters."""
    return _text(value, CELL)


def _text(value: Any, most: int | None = None) -> str:
    """A value on one line. most: characters of each text; None: uncut, because a person may decide by it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(v, most) for v in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={_text(v, most)}" for k, v in value.items())
    return visible(" ".join(str(value).split())[:most])
