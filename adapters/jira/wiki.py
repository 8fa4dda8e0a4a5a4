"""Jira's wiki markup ↔ plain text (Data Center, API v2). Pure.

Writing escapes everything that the renderer would treat as markup. Reading removes the escapes and turns markup into
readable text; emphasis and bullets stay as typed, since they are readable.
Vendor document: "Text formatting notation advanced", Atlassian documentation.
"""

from __future__ import annotations

import re

_RISKY = re.compile(r"\\|&(?=#)|[{}\[\]*_^~+|!@%]|(?<![A-Za-z0-9])[-#?]|[-#?](?![A-Za-z0-9])")
"""Characters that the renderer treats as markup; a hyphen inside a word is not."""

_BLOCK = re.compile(r"^(\s*)(?:h(?=[1-6]\.)|b(?=q\.))", re.M)
_ESCAPED = re.compile(r"\\([-#*_+?^~|%{}\[\]()!@])")
_ENTITY = re.compile(r"&#(\d{1,6});")
_BREAK = re.compile(r"\\\\(?:\s|$)", re.M)
_LINK = re.compile(r"\[([^\[\]|\n]+)(?:\|([^\[\]|\n]+))?(?:\|[^\[\]\n]*)?\]")
_MACRO = re.compile(r"\{(?:code|noformat|quote|panel|color|expand|info|note|tip|warning)(?::[^{}\n]*)?\}")
_HEADING = re.compile(r"^[ \t]*(?:h[1-6]|bq)\.[ \t]*", re.M)

_SHELTER = 0xF0000
"""Start of the private Unicode plane that holds escaped characters while the markup is removed."""


def from_plain(text: str) -> str:
    """Markup that shows `text` as it is. A backslash becomes an entity: two of them would be a line break."""
    out = _RISKY.sub(_escape, text.replace("\r\n", "\n"))
    return _BLOCK.sub(lambda m: f"{m[1]}&#{ord(m.group()[len(m[1])])};", out)


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return f"&#{ord(character)};" if character in "\\&" else "\\" + character


def to_plain(markup: str) -> str:
    """The text that a person sees, without trailing white space."""
    out = markup.replace("\r\n", "\n")
    out = _BREAK.sub("\n", out)
    out = _ESCAPED.sub(lambda m: chr(_SHELTER + ord(m[1])), out)
    out = _HEADING.sub("", _MACRO.sub("", out))
    out = _LINK.sub(_link, out)
    out = "".join(chr(ord(c) - _SHELTER) if _SHELTER <= ord(c) < _SHELTER + 128 else c for c in out)
    return _ENTITY.sub(lambda m: chr(int(m[1])) if 0 < int(m[1]) < 0xD800 else m.group(), out).strip()


def _link(found: re.Match[str]) -> str:
    text, target = found[1].strip(), (found[2] or "").strip()
    if text.startswith("~"):
        return "@" + text[1:].removeprefix("accountid:")
    return f"{text} ({target})" if target and target != text else text
