"""The mark inside a text, for vendors whose comments have no metadata field: one short last line.

``sign`` adds it, ``unsign`` removes it, so that texts are compared without it. A person may delete the line: the
comment is then known by its remote id alone.
"""

from __future__ import annotations

import re

_LINE = re.compile(r"\n*^(?:— (?P<author>[^\n]*?) )?\[ls:(?P<key>[a-z0-9]{6,64})\]\s*\Z", re.M)


def sign(text: str, key: str, author: str | None = None, limit: int | None = None) -> str:
    """`text` with the mark `key` (and the author's name) as its last line, in at most `limit` characters."""
    name = " ".join((author or "").replace("[", "(").replace("]", ")").split())
    line = f"— {name} [ls:{key}]" if name else f"[ls:{key}]"
    body = text.rstrip()
    if limit is not None and len(body) + len(line) + 2 > limit:
        body = body[: max(0, limit - len(line) - 3)].rstrip() + "…"
    return f"{body}\n\n{line}"


def unsign(text: str) -> tuple[str, str | None]:
    """(the text without the mark line, the mark's key or None)."""
    found = _LINE.search(text)
    if not found:
        return text.strip(), None
    return text[: found.start()].strip(), found["key"]
