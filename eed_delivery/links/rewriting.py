"""Puts tracking into an email's HTML. Its links lead through our redirect, and a picture shows an open.

Only the values of `href` are changed, in `<a>` and `<area>`, and only of absolute http and https links. The picture is
the only thing added. Every other character stays as the template gave it. What stays unchanged:

- `mailto:`, `tel:`, `#`, `cid:`, relative links, and any other that is not http or https;
- links with the attribute `data-eed-no-track`, links of ours already, and those that the caller names (an
  unsubscription must not depend on the tracking of clicks);
- links so long that the redirect would be longer than mail programs take (links.MAX_URL);
- links in comments, which conditional comments for Outlook (`<!--[if mso]>`) are as well.

Opens and clicks are personal data, so nothing here is called unless the job wants it.
"""

import html
import re
from collections.abc import Callable, Container
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from eed_delivery.links.markup import Tag, attributes, decoded, tags

NO_TRACK = "data-eed-no-track"

Redirect = Callable[[str], str | None]
"""Gives the address to write instead of a link's target; None to leave the link unchanged."""


class _Link(NamedTuple):
    """A link's target, and where in the tag's attributes its href stands."""

    target: str
    start: int
    end: int


_Change = tuple[int, int, str]  # from where to where, and what stands there then
_LINKING = frozenset({"a", "area"})
_BODY = frozenset({"body"})
_CACHED_CHARS = 2_000
_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE | re.ASCII)
_TRIMMED = "".join(map(chr, range(0x21)))
_REMOVED = dict.fromkeys(map(ord, "\t\n\r"))
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def tracked(text: str, redirect: Redirect | None, pixel: str | None, untouched: Container[str] = ()) -> str:
    """`text` with its links led through `redirect`, and the picture at `pixel` before its last `</body>` or at its end.

    None for either means not that one. `untouched` are targets, as target_of() gives them, whose links stay unchanged.
    Never an exception, whatever the HTML is like. The time is linear in its length.
    """
    changes: list[_Change] = []
    body_end = len(text)
    for tag in tags(text, _LINKING if redirect is not None else frozenset(), _BODY):
        if tag.is_end:
            body_end = tag.start
        elif redirect is not None:
            changes += _changed(tag, redirect, untouched)
    if pixel is not None:
        changes.append((body_end, body_end, f'<img src="{html.escape(pixel)}" width="1" height="1" alt="">'))
    return _applied(text, sorted(changes))


def target_of(href: str) -> str | None:
    """Where a browser goes for the value of an `href`, its character references resolved. None if not to http(s).

    The URL Standard, section 4.4: spaces and controls around it and line breaks within are ignored. Spaces and what is
    not ASCII are percent-encoded as UTF-8. A redirect's Location must be ASCII, and is read by the same rules.
    """
    url = href.strip(_TRIMMED).translate(_REMOVED)
    if not _ABSOLUTE.match(url):
        return None
    try:
        return quote(url, safe=_PRINTABLE)
    except UnicodeEncodeError:  # half of a surrogate pair
        return None


def _changed(tag: Tag, redirect: Redirect, untouched: Container[str]) -> list[_Change]:
    """The change of a link's href. None if the link stays unchanged."""
    find = _cached_link if len(tag.written) <= _CACHED_CHARS else _link
    link = find(tag.written)
    if link is None or link.target in untouched:
        return []
    url = redirect(link.target)
    return [] if url is None else [(tag.attributes_at + link.start, tag.attributes_at + link.end, html.escape(url))]


def _link(written: str) -> _Link | None:
    """The link among a tag's attributes. None if there is none to be led through a redirect."""
    found = attributes(written)
    href = found.get("href")
    if href is None or NO_TRACK in found:
        return None
    target = target_of(decoded(href.raw))
    return None if target is None else _Link(target, href.start, href.end)


_cached_link = lru_cache(maxsize=1024)(_link)  # mostly the same links in every email of a job


def _applied(text: str, changes: list[_Change]) -> str:
    pieces, done = [], 0
    for start, end, replacement in changes:
        pieces += [text[done:start], replacement]
        done = end
    return "".join([*pieces, text[done:]])
