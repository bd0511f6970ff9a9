"""The List-Unsubscribe header (RFC 2369) and its one-click companion (RFC 8058)."""

import re

from eed_delivery.errors import RenderError
from eed_delivery.rendering.headers import one_line

MAX_LINK = 900  # a link is one line of the header
_LINK = re.compile(r"<((?:https|http|mailto):[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+)>")  # RFC 3986, section 2


def unsubscribe_fields(rendered: str) -> list[bytes]:
    """The header fields for what the `list_unsubscribe` template gave for one email, as links in angle brackets.

    List-Unsubscribe-Post is added when exactly one of them is https, as RFC 8058, section 3.1 wants it.
    """
    links = links_in(rendered)
    if not links:
        return []
    value = ",\r\n ".join(f"<{link}>" for link in links)
    fields = [f"List-Unsubscribe: {value}\r\n".encode("ascii")]
    secure = [link for link in links if link.startswith("https:")]
    if len(secure) == 1 and not any(link.startswith("http:") for link in links):
        fields.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    return fields


def links_in(rendered: str) -> list[str]:
    """The links of the header. RenderError for anything else."""
    text = one_line(rendered, "List-Unsubscribe header")
    if not text:
        return []
    return [_link(part) for part in re.split(r"(?<=>)\s*,\s*(?=<)", text)] if "<" in text else [_link(f"<{text}>")]


def _link(text: str) -> str:
    found = _LINK.fullmatch(text)
    if found is None or len(text) > MAX_LINK or "=?" in text:
        raise RenderError(
            "the List-Unsubscribe header is not one or more <https://…> or <mailto:…> links of plain ASCII. "
            "In rendering.list_unsubscribe write {{ name|urlencode }} for variables"
        )
    return found[1]
