"""The tags of an HTML text with their places, as the tokenizer of the HTML standard finds them.

Rewriting needs to know where in the text an attribute's value is, so that every other character can stay as it was. The
standard library's html.parser gives the place of a tag but not of a value, and differs from browsers in comments and
attributes. Before Python 3.11.14 it takes quadratic time on hostile text (CVE-2025-6069). lxml, selectolax and html5lib
give no places. So this is the part of the standard's section 13.2.5 (Tokenization) that is needed, and no more.

It does not build the tree. So `<![CDATA[` is a comment up to the next `>` also inside SVG and MathML, and `<title>` and
`<style>` hold text there too. Each regular expression is without ambiguity, and one that fails ends the search. So the
time is linear in the text.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html.entities import html5

_SPACE = r"\t\n\f\r "
_VALUE = rf"""(?:"[^"]*+"|'[^']*+'|(?!["'])[^{_SPACE}>]*+)"""
_NAME = rf"[^{_SPACE}/>][^{_SPACE}/>=]*+"
_ATTRIBUTES = rf"(?:[{_SPACE}/]*+{_NAME}(?:[{_SPACE}]*+=[{_SPACE}]*+{_VALUE}|(?![{_SPACE}]*+=)))*"
_TAG = re.compile(rf"<(?P<slash>/?)(?P<name>[A-Za-z][^{_SPACE}/>]*+)(?P<attributes>{_ATTRIBUTES})[{_SPACE}/]*+>")
_ATTRIBUTE = re.compile(  # what stands before a name is passed over by the search
    rf"(?P<name>{_NAME})"
    rf"(?:[{_SPACE}]*+=[{_SPACE}]*+(?:\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^{_SPACE}>]*+)))?"
)
_TAG_OPENS = re.compile(r"</?[A-Za-z]")
_NO_TAG = re.compile(r"<(?:!|\?|/.)", re.DOTALL)  # comments, `<!doctype`, `<?xml`, `</3`; `<3` and `< ` are text
_COMMENT_END = re.compile(r"--!?>")
_TEXT_ELEMENTS = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
"""What stands inside of these is text, whatever it looks like. (noscript is not: mail programs run no scripts.)"""
_TEXT_ENDS = {name: re.compile(rf"</{name}(?=[{_SPACE}/>])", re.IGNORECASE | re.ASCII) for name in _TEXT_ELEMENTS}
_REFERENCE = re.compile(
    r"&(?:#(?:[xX]0*+(?P<hex>[0-9A-Fa-f]*+)(?<=[0-9A-Fa-f])|0*+(?P<decimal>[0-9]*+)(?<=[0-9]));?"
    r"|(?P<name>[A-Za-z][A-Za-z0-9]*+;?))"
)
_WINDOWS_1252 = {n: bytes([n]).decode("cp1252", "ignore") or chr(n) for n in range(0x80, 0xA0)}
"""What `&#146;` means on the web, because many pages use it."""
_MAX_DIGITS = 7
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute, with its name in lower case, its value as written, and where that stands."""

    name: str
    raw: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A start or end tag, with its name in lower case, the place of its `<`, and its attributes as written with their
    places.
    """

    name: str
    is_end: bool
    start: int
    written: str
    attributes_at: int


def attributes(written: str) -> dict[str, Attribute]:
    """A tag's attributes, with places in `written`. Of two with the same name the first one counts, as in a browser."""
    found: dict[str, Attribute] = {}
    for match in _ATTRIBUTE.finditer(written):
        name = match["name"].translate(_LOWER)
        group = match.lastgroup or "name"
        start, end = match.span(group) if group != "name" else (match.end(), match.end())
        found.setdefault(name, Attribute(name, written[start:end], start, end))
    return found


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
"""ASCII only, as in the standard: str.lower() would make a `k` of the Kelvin sign."""


def tags(text: str, starts: frozenset[str], ends: frozenset[str]) -> Iterator[Tag]:
    """Every start tag named in `starts` and end tag named in `ends`, outside of comments and text elements, in order.

    Never an exception, whatever the text.
    """
    nothing_of_them = _without(starts, ends)
    position: int | None = 0
    while position is not None and position >= 0:
        position = _end(nothing_of_them, text, position)
        if position == len(text):
            return
        match = _TAG.match(text, position)
        if match is None:
            if _TAG_OPENS.match(text, position):  # it is not closed before the end: a browser shows nothing of it
                return
            position = _after_no_tag(text, position)
            continue
        slash, name = match.group("slash", "name")
        name = name.translate(_LOWER)
        if name in (ends if slash else starts):
            yield Tag(name, bool(slash), position, match["attributes"], match.start("attributes"))
        position = _after_tag(text, name, bool(slash), match.end())


@lru_cache(maxsize=8)
def _without(starts: frozenset[str], ends: frozenset[str]) -> re.Pattern[str]:
    """Text and tags up to the first that may matter.

    All of these are one match, because most tags of an email don't.
    """
    matters = {"": starts | _TEXT_ELEMENTS | {"plaintext"}, "/": ends}
    others = [
        rf"<{slash}(?!(?:{'|'.join(sorted(names))})[{_SPACE}/>])[A-Za-z][^{_SPACE}/>]*+{_ATTRIBUTES}[{_SPACE}/]*+>"
        for slash, names in matters.items()
    ]
    return re.compile(rf"(?>(?:[^<]++|{'|'.join(others)})*)", re.IGNORECASE | re.ASCII)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _after_tag(text: str, name: str, is_end: bool, position: int) -> int | None:
    """The next `<` that may begin something after a tag that ends at `position`. None if all the rest is text."""
    if is_end or name not in _TEXT_ELEMENTS:
        return text.find("<", position) if name != "plaintext" or is_end else None
    closed = _TEXT_ENDS[name].search(text, position)
    return closed.start() if closed else None


def _after_no_tag(text: str, position: int) -> int | None:
    """The next `<` after what begins at `position` with one, but is no tag. None if it goes on to the end."""
    end: int
    if text.startswith("<!--", position):
        if text.startswith((">", "->"), position + 4):
            end = text.index(">", position)
        else:
            closed = _COMMENT_END.search(text, position + 4)
            end = closed.end() if closed else -1
    elif _NO_TAG.match(text, position):
        end = text.find(">", position)
    else:
        end = position + 1
    return text.find("<", end) if end >= 0 else None


def decoded(raw: str) -> str:
    """An attribute's value, its character references resolved as the standard has it (13.2.5.72 to 13.2.5.80).

    NUL is the replacement character. This is unlike html.unescape(), which is for text. An attribute that says
    `?a=1&copy=2` has no copyright sign.
    """
    raw = raw.replace("\0", _UNKNOWN)
    return _REFERENCE.sub(_resolved, raw) if "&" in raw else raw


def _resolved(match: re.Match[str]) -> str:
    written = match[0]
    if match["hex"] is not None:
        return _character(match["hex"], 16)
    if match["decimal"] is not None:
        return _character(match["decimal"], 10)
    if not written.endswith(";") and match.string.startswith("=", match.end()):
        return written
    return html5.get(match["name"], written)


def _character(digits: str, base: int) -> str:
    """The character of a numeric reference, given without leading zeros."""
    if not 0 < len(digits) <= _MAX_DIGITS:
        return _UNKNOWN
    number = int(digits, base)
    if number > sys.maxunicode or 0xD800 <= number <= 0xDFFF:
        return _UNKNOWN
    return _WINDOWS_1252.get(number) or chr(number)
