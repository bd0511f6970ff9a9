"""HTML made fit for a parser whose work is not linear. Nothing that a person reads is taken from it.

The HTML standard makes small pages into large trees in two ways. Elements may nest without end. And an element of
formatting that is not closed is opened again in each block that follows ("reconstruct the active formatting elements",
HTML 13.2.4.3), with all its attributes. 50 KB of `<p><a href=…>x<p>y<p>y…` are 100 MB of links.
"""

import re
from collections.abc import Iterator

MAX_DEPTH = 2000
"""Of elements within elements. The parser's time grows with its square: 7 ms here, and a minute for 200,000."""
MAX_COPIES = 250_000
"""Elements that may be opened again: 100 MB of the parser's memory. Counted from above, as if none were ever closed."""
MAX_LINK_CHARS = 10_000_000
"""Characters of links that may be opened again, counted in the same way."""
LONGEST_LINK = 100
"""Tags within one link of a page that has too many of those characters. A link around a picture has some 10."""

_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*+)[^>]*+>?")
_VOID_OR_OPTIONAL = (
    "a area base br col embed hr img input link meta param source track wbr dd dt li option p rb rp rt td th tr"
)
_NOT_NESTED = frozenset(_VOID_OR_OPTIONAL.split())
"""Tags without an end tag, or whose end tag may be left out (HTML 13.1.2.4), and `a`, which no `a` can be in."""
_FORMATTING = frozenset({"b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"})
"""HTML 13.2.4.3, without `a`, which is looked at by itself: at most one is open at a time."""


def fit_for_parser(html: str) -> str:
    """The HTML, if need be with tags that change no word of its text left out, renamed or closed."""
    return _not_too_deep(_not_repeated(html))


def _not_repeated(html: str) -> str:
    """Without formatting, and links, that would be opened again too often. Formatting becomes `span`, which is not
    opened again, and links are closed."""
    if html.count("<") * len(html) <= MAX_LINK_CHARS:  # nearly all
        return html
    formatting, copied_links = _counted(html)
    if formatting * (html.count("<") - formatting) > MAX_COPIES:
        html = _TAG.sub(_as_span, html)
    return "".join(_with_closed_links(html)) if copied_links > MAX_LINK_CHARS else html


def _counted(html: str) -> tuple[int, int]:
    """How many tags begin formatting, and how many characters of links could be opened again, by each tag one."""
    formatting = longest = copied = 0
    for tag in _TAG.finditer(html):
        name = tag[2].lower()
        if tag[1] or (name != "a" and name not in _FORMATTING):
            copied += longest
        elif name == "a":
            longest = max(longest, tag.end() - tag.start())
        else:
            formatting += 1
    return formatting, copied


def _as_span(tag: re.Match[str]) -> str:
    if tag[2].lower() not in _FORMATTING:
        return tag[0]
    return f"<{tag[1]}span{tag[0][len(tag[1]) + len(tag[2]) + 1 :]}"


def _with_closed_links(html: str) -> Iterator[str]:
    """The page with an end tag wherever no link is meant to be open, or one has gone on for too long."""
    at, tags_within = 0, LONGEST_LINK
    for tag in _TAG.finditer(html):
        yield html[at : tag.start()]
        at = tag.start()
        if tag[2].lower() == "a":
            tags_within = LONGEST_LINK if tag[1] else 0
        else:
            tags_within += 1
            if tags_within > LONGEST_LINK:
                yield "</a>"
    yield html[at:]


def _not_too_deep(html: str) -> str:
    """The HTML, with blanks for tags that would nest deeper than MAX_DEPTH. Browsers have such a limit, too.

    The text in there is kept, and so are links.
    """
    if html.count("<") <= MAX_DEPTH:
        return html
    depth = 0

    def counted(tag: re.Match[str]) -> str:
        nonlocal depth
        is_end, name = tag.groups()
        name = name.lower()
        kept = depth < MAX_DEPTH or name == "a"
        if name not in _NOT_NESTED:
            depth = max(0, depth - 1) if is_end else depth + 1
            kept = kept or (bool(is_end) and depth < MAX_DEPTH)
        return tag[0] if kept else " "

    return _TAG.sub(counted, html)
