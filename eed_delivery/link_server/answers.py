"""The endpoint's answers. The pages are whole here, small, and need no script, picture or font."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

Headers = Sequence[tuple[str, str]]

_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""One transparent point."""
_STYLE = (
    "body{font:1.1em/1.5 system-ui,sans-serif;max-width:32em;margin:15vh auto;padding:0 1.5em;color:#222;"
    "background:#fff}button{font:inherit;padding:.6em 1.4em}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_ALWAYS = (
    ("Cache-Control", "no-store, private"),
    ("Referrer-Policy", "no-referrer"),  # the address is as good as a signature, so no other site may see it
    ("X-Content-Type-Options", "nosniff"),
    ("X-Robots-Tag", "noindex, nofollow"),
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'",
    ),
)


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """A whole answer, with its status line and body, and the headers that are its own."""

    status: str
    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    more: Headers = ()

    def headers(self) -> list[tuple[str, str]]:
        """Every header of it."""
        return [("Content-Type", self.kind), ("Content-Length", str(len(self.body))), *self.more, *_ALWAYS]


def _page(status: str, title: str, body: str, more: Headers = ()) -> LinkAnswer:
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1>{body}</body></html>\n"
    )
    return LinkAnswer(status, text.encode(), more=more)


def redirect(target: str) -> LinkAnswer:
    """To there. `target` is printable ASCII, as ClickLink has it."""
    return LinkAnswer("302 Found", more=[("Location", target)])


def not_allowed(methods: Sequence[str]) -> LinkAnswer:
    """RFC 9110, section 15.5.6."""
    return LinkAnswer("405 Method Not Allowed", b"405\n", "text/plain", [("Allow", ", ".join(methods))])


PIXEL = LinkAnswer("200 OK", _GIF, "image/gif")
HEALTHY = LinkAnswer("200 OK", b"ok\n", "text/plain")
STALLED = LinkAnswer("503 Service Unavailable", b"links are not answered\n", "text/plain")
UNKNOWN = _page("404 Not Found", "This link is not valid", "<p>Perhaps a part of it got lost when it was copied.</p>")
EXPIRED = _page("410 Gone", "This link has expired", "<p>It is too old to be used.</p>")
ASK = _page(
    "200 OK",
    "Unsubscribe",
    "<p>Do you want to get no more of these emails?</p>"
    '<form method="post"><button name="unsubscribe" value="yes">Unsubscribe</button></form>',
)
UNSUBSCRIBED = _page("200 OK", "You are unsubscribed", "<p>You will get no more of these emails.</p>")
NO_WISH = _page(
    "400 Bad Request", "Nothing was changed", "<p>The request did not say that you want to unsubscribe.</p>"
)
LATER = _page(
    "503 Service Unavailable",
    "Please try again",
    "<p>This cannot be done at the moment. Nothing was changed. Please try again in a few minutes.</p>",
    [("Retry-After", "120")],
)
