"""Logs: one JSON object per line on stderr, through one processor that redacts secrets.

Everything logged through the standard `logging` (client libraries included) passes through it. Some libraries print
credentials and payloads at DEBUG; their level is at least INFO whatever level is configured. Redacted: text that looks
like a secret, and every secret value that this process has read (`hub.redaction`).
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any

from hub.redaction import GONE, known

TALKATIVE = ("pypd", "jira", "urllib3", "requests", "httpx", "httpcore", "msgraph", "msgraph_core", "kiota_http", "azure", "rq")  # fmt: skip
"""Libraries that print headers, tokens or payloads at DEBUG."""

_KEY = re.compile(
    r"authorization|cookie|password|passwd|secret|token|credential|signature|vault_key|"
    r"(api|private|access|routing|integration|signing|encryption)[-_]?key",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?P<scheme>\b(?:Bearer|Basic|Token token=|Token)\s*)(?P<a>[\w.~+/=-]{8,})"
    r"|(?P<user>://[^/\s:@]*:)(?P<b>[^/\s@]+)(?=@)"
    r"|(?P<param>[?&](?:sig|token|key|code|access_token|validationToken)=)(?P<c>[^&\s\"']+)"
    r"|(?P<known>\b(?:whsec_|ls_|xox[abp]-|ATATT3))(?P<d>[\w+/=.-]{6,})"
    r"|(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----)(?P<e>.*?)(?:-----END|$)",
    re.DOTALL,
)


def _without(match: re.Match[str]) -> str:
    kept = next(g for g in (match["scheme"], match["user"], match["param"], match["known"], match["pem"]) if g)
    return kept + GONE


def _key(key: Any) -> Any:
    return known.without(key) if isinstance(key, str) else key


def clean(value: Any) -> Any:
    """`value` with known and likely secrets redacted, at any depth. Other objects become their `str`."""
    if isinstance(value, str):
        return _VALUE.sub(_without, known.without(value))  # known values first: a pattern may match only a part of one
    if isinstance(value, Mapping):
        return {_key(k): GONE if isinstance(k, str) and _KEY.search(k) and v else clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(v) for v in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return value if value is None or isinstance(value, (bool, int, float)) else clean(str(value))


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor. `_record` is kept for the formatter, which removes it."""
    record = {"_record": event.pop("_record")} if "_record" in event else {}
    return dict(clean(dict(event))) | record


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if kind is not SystemExit:  # a thread that ended by SystemExit is not an error
        sys.stderr.write(clean("".join(traceback.format_exception(kind, error, trace))))


class _Plain(logging.Formatter):
    """The message alone, redacted."""

    def format(self, record: logging.LogRecord) -> str:
        return str(clean(super().format(record)))


def last_resort() -> None:
    """Redacts what Python itself prints: log lines of a process that has not configured logging (a read-only command),
    and uncaught exceptions."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Plain())
    logging.raiseExceptions = False  # else a line that cannot be formatted is printed unredacted
    sys.excepthook = _uncaught


def configure(level: str = "INFO", *, human: bool | None = None) -> None:
    """Sets up logging for this process. level: of our own loggers. human: coloured lines instead of JSON (default: when
    stderr is a terminal)."""
    import structlog  # here: read-only commands do not need it, and its import is slow

    human = sys.stderr.isatty() if human is None else human
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(default=str)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    last_resort()
    threading.excepthook = lambda thread: _uncaught(thread.exc_type, thread.exc_value, thread.exc_traceback)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(max(logging.WARNING, root.level))
    for name in TALKATIVE:
        library = logging.getLogger(name)
        library.setLevel(max(logging.INFO, root.level))
        library.handlers.clear()
        library.propagate = True
