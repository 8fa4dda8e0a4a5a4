"""Atlassian Document Format ↔ plain text (Cloud, API v3). Pure.

Reading never fails: an unknown node type is read as the text inside it. Writing makes paragraphs, line breaks and
links, and never an empty text node (Jira refuses those with a 400). Vendor document: "Atlassian Document Format",
developer.atlassian.com.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from hub.domain.values import Json

_DEEPEST = 60
"""Nodes nested deeper than this are left out: no person nests that deep."""

_URL = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]}]")


def from_plain(text: str) -> Json:
    """A document of `text`: blank lines separate paragraphs, line breaks are kept, URLs become links."""
    blocks = [b for b in re.split(r"\n[ \t]*\n+", text.replace("\r\n", "\n").strip("\n")) if b.strip()]
    return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": _inline(b)} for b in blocks]}


def _inline(block: str) -> list[Json]:
    nodes: list[Json] = []
    for number, line in enumerate(block.split("\n")):
        if number:
            nodes.append({"type": "hardBreak"})
        at = 0
        for found in _URL.finditer(line):
            nodes += _text(line[at : found.start()])
            url = found.group()
            nodes.append({"type": "text", "text": url, "marks": [{"type": "link", "attrs": {"href": url}}]})
            at = found.end()
        nodes += _text(line[at:])
    return nodes


def _text(text: str) -> list[Json]:
    return [{"type": "text", "text": text}] if text else []


def to_plain(document: Json) -> str:
    """The text of a document (a plain string is returned as it is), without trailing white space."""
    if isinstance(document, str):
        return document.replace("\r\n", "\n").strip()
    return _node(document, 0).strip()


def _children(node: Mapping[str, Json]) -> Sequence[Json]:
    content = node.get("content")
    return content if isinstance(content, list) else []


def _attr(node: Mapping[str, Json], *names: str) -> str:
    attrs = node.get("attrs")
    for name in names:
        if isinstance(attrs, dict) and isinstance(attrs.get(name), (str, int)) and attrs[name] != "":
            return str(attrs[name])
    return ""


def _run(node: Mapping[str, Json], depth: int) -> str:
    return "".join(_node(c, depth + 1) for c in _children(node))


def _blocks(node: Mapping[str, Json], depth: int, between: str = "\n\n") -> str:
    return between.join(t for c in _children(node) if (t := _node(c, depth + 1)).strip())


def _indented(text: str, first: str) -> str:
    return first + text.replace("\n", "\n" + " " * len(first))


def _leaf(node: Mapping[str, Json], depth: int) -> str:
    text = node.get("text")
    if not isinstance(text, str):
        return ""
    for mark in node.get("marks") or ():
        if isinstance(mark, dict) and mark.get("type") == "link" and (href := _attr(mark, "href")) and href != text:
            return f"{text} ({href})"
    return text


def _listed(node: Mapping[str, Json], depth: int) -> str:
    ordered = node.get("type") == "orderedList"
    items = (_blocks(c, depth + 1, "\n") if isinstance(c, dict) else "" for c in _children(node))
    return "\n".join(_indented(t, f"{n}. " if ordered else "- ") for n, t in enumerate(items, 1))


def _task(node: Mapping[str, Json], depth: int) -> str:
    return ("[x] " if _attr(node, "state") == "DONE" else "[ ] ") + _run(node, depth)


def _row(node: Mapping[str, Json], depth: int) -> str:
    return " | ".join(_node(c, depth + 1).replace("\n", " ").strip() for c in _children(node))


def _quote(node: Mapping[str, Json], depth: int) -> str:
    return "> " + _blocks(node, depth).replace("\n", "\n> ")


def _expand(node: Mapping[str, Json], depth: int) -> str:
    return "\n\n".join(t for t in (_attr(node, "title"), _blocks(node, depth)) if t)


def _date(node: Mapping[str, Json], depth: int) -> str:
    stamp = _attr(node, "timestamp")
    try:
        return datetime.fromtimestamp(int(stamp) / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return stamp


def _mention(node: Mapping[str, Json], depth: int) -> str:
    name = _attr(node, "text", "id")
    return name if name.startswith("@") else f"@{name}"


_NODES: Mapping[str, Callable[[Mapping[str, Json], int], str]] = {
    "text": _leaf,
    "hardBreak": lambda node, depth: "\n",
    "mention": _mention,
    "emoji": lambda node, depth: _attr(node, "text", "shortName"),
    "date": _date,
    "status": lambda node, depth: _attr(node, "text"),
    "inlineCard": lambda node, depth: _attr(node, "url"),
    "blockCard": lambda node, depth: _attr(node, "url"),
    "embedCard": lambda node, depth: _attr(node, "url"),
    "media": lambda node, depth: f"[{_attr(node, 'alt') or 'attachment'}]",
    "mediaInline": lambda node, depth: f"[{_attr(node, 'alt') or 'attachment'}]",
    "rule": lambda node, depth: "----",
    "paragraph": _run,
    "heading": _run,
    "codeBlock": _run,
    "bulletList": _listed,
    "orderedList": _listed,
    "blockquote": _quote,
    "taskList": lambda node, depth: _blocks(node, depth, "\n"),
    "taskItem": _task,
    "decisionList": lambda node, depth: _blocks(node, depth, "\n"),
    "decisionItem": _run,
    "table": lambda node, depth: _blocks(node, depth, "\n"),
    "tableRow": _row,
    "expand": _expand,
    "nestedExpand": _expand,
}
"""node type → its text. Any other type is read as its own text, else as its children's, in blocks."""


def _node(node: Json, depth: int) -> str:
    if not isinstance(node, dict) or depth > _DEEPEST:
        return ""
    known = _NODES.get(str(node.get("type")))
    if known:
        return known(node, depth)
    children = _children(node)
    if any(isinstance(c, dict) and c.get("type") == "text" for c in children):
        return _run(node, depth)
    return _blocks(node, depth) or _leaf(node, depth) or _attr(node, "text", "url", "title")
