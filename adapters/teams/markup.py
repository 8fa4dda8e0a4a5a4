"""Converts text for Teams: plain text ↔ the HTML of a message, plain text → the Markdown of an Adaptive Card.

Text that people typed must be read back unchanged, and no typed text may become markup, a link or a mention.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

_NBSP = "\u00a0"
_BLOCKS = frozenset({"p", "div", "li", "ul", "ol", "tr", "table", "blockquote", "h1", "h2", "h3", "h4", "pre"})
_SILENT = frozenset({"script", "style"})


def _keep_spaces(line: str) -> str:
    """HTML keeps runs of spaces only as no-break spaces; a single space stays as it is."""
    line = line.replace("\t", "    ")
    line = re.sub(r"^ +| {2,}", lambda run: _NBSP * len(run[0]), line)
    return line


def to_html(text: str) -> str:
    """`text` as the HTML of a message body: escaped, with a `<br>` for each line break."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").split("\n")
    return "<br>".join(html.escape(_keep_spaces(line), quote=False).replace(_NBSP, "&nbsp;") for line in lines)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.silent = 0
        self.link: str | None = None
        self.label: list[str] = []

    def _break(self) -> None:
        if self.out and not self.out[-1].endswith("\n"):
            self.out.append("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _SILENT:
            self.silent += 1
        elif tag == "br":
            self.out.append("\n")
        elif tag in _BLOCKS:
            self._break()
            if tag == "li":
                self.out.append("- ")
        elif tag == "a":
            self.link, self.label = given.get("href"), []
        elif tag in ("img", "emoji"):
            self.out.append(given.get("alt") or ("[image]" if tag == "img" else ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self.silent = max(0, self.silent - 1)
        elif tag in _BLOCKS:
            self._break()
        elif tag == "a" and self.link is not None:
            if self.link.startswith(("http://", "https://")) and self.link not in "".join(self.label):
                self.out.append(f" ({self.link})")
            self.link = None

    def handle_data(self, data: str) -> None:
        if self.silent:
            return
        data = re.sub(r"[ \t\r\n\f]+", " ", data)
        if data == " " and (not self.out or self.out[-1].endswith("\n")):
            return
        if self.link is not None:
            self.label.append(data)
        self.out.append(data)


def from_html(content: str) -> str:
    """The text that a reader of the message sees. Unclosed and unknown tags are accepted."""
    reader = _Reader()
    reader.feed(content)
    reader.close()
    lines = "".join(reader.out).split("\n")
    return "\n".join(line.rstrip(" ").replace(_NBSP, " ") for line in lines).strip()


_INLINE = re.compile(r"([\\*_\[\]~`])")
_AT_START = re.compile(r"^(\s*)([#>+\-])", re.M)
_NUMBERED = re.compile(r"^(\s*\d+)([.)])", re.M)


def to_markdown(text: str) -> str:
    """`text` for a TextBlock or Fact of an Adaptive Card: no emphasis, link, list, entity, mention or `{{DATE()}}` of
    its own.

    (adaptivecards.io, "Text Features": a Markdown subset; line breaks need an empty line.)
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()
    text = _INLINE.sub(r"\\\1", text)
    text = _AT_START.sub(r"\1\\\2", text)
    text = _NUMBERED.sub(r"\1\\\2", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("{{", "{\u200b{")
    return re.sub(r"\n+", "\n\n", text)
