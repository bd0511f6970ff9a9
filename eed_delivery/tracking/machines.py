"""Who asked for a picture or a link: a person, or a machine on the way to one.

Nobody can tell for sure: what is known is how some machines name themselves, and that they are quick. So an event says
by what it was recognised, and `automatic` only where a machine asks whether or not a person reads. What is looked at:

- Apple's Mail Privacy Protection loads every picture when the email arrives, with the agent `Mozilla/5.0` and no more
  (https://help.socketlabs.com/docs/identifying-apple-mpp-opens-in-notification-api-events).
- Gmail loads pictures for the reader when the email is opened (`GoogleImageProxy`), which is an open, and its caches
  hide later ones; sometimes it does so at arrival, with the agent of an Edge that nobody has any more
  (https://www.gmass.co/blog/false-opens-in-gmail/).
- Yahoo's proxy (https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html) is taken as Gmail's.
- Scanners of links: those that give their name (Barracuda, Proofpoint, Mimecast and others), Office's own probes, and
  programs; requests without an agent; HEAD, which no person sends; requests that call themselves a prefetch.
- Whatever comes within seconds of the email's acceptance (`hastened`): SafeLinks and most other scanners call
  themselves Chrome and cannot be known by anything else, since we keep no IP addresses (they are personal data).
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from eed_delivery.events import TrackingEvent


class Reader(StrEnum):
    """Who asked, as far as it can be told: the `sub_type` of opens and clicks."""

    PERSON = "person"
    GOOGLE_PROXY = "google_proxy"
    YAHOO_PROXY = "yahoo_proxy"
    APPLE_PRIVACY = "apple_privacy"
    GOOGLE_PREFETCH = "google_prefetch"
    PREFETCH = "prefetch"
    SCANNER = "scanner"
    PROGRAM = "program"
    PROBE = "probe"
    NAMELESS = "nameless"
    TOO_SOON = "too_soon"

    @property
    def automatic(self) -> bool:
        """Whether it asks without a person. The two proxies ask when a person opens the email."""
        return self not in {Reader.PERSON, Reader.GOOGLE_PROXY, Reader.YAHOO_PROXY}


@dataclass(frozen=True, slots=True)
class Request:
    """What is looked at of an HTTP request. `purpose`: of the headers Sec-Purpose, Purpose, X-Purpose and X-Moz."""

    method: str
    agent: str
    purpose: str = ""


SOON = timedelta(seconds=5)
"""Quicker than a person reads: scanners follow links within seconds of delivery."""

_APPLE = "Mozilla/5.0"
_GOOGLE_PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
_EXACT = {
    "": Reader.NAMELESS,
    "-": Reader.NAMELESS,
    _APPLE: Reader.APPLE_PRIVACY,
    _GOOGLE_PREFETCH: Reader.GOOGLE_PREFETCH,
}
_PROXIES = (
    (re.compile(r"\bGoogleImageProxy\b"), Reader.GOOGLE_PROXY),
    (re.compile(r"\bYahooMailProxy\b"), Reader.YAHOO_PROXY),
)
_SCANNERS = re.compile(
    r"barracuda|proofpoint|mimecast|ironport|ciscosecureemail|fireeye|fortimail|forcepoint|symantec|messagelabs|sophos"
    r"|trend ?micro|checkpoint|safelinks|virustotal|urlscan"
    r"|microsoft office (?:existence|protocol) discovery|bingpreview|skypeuripreview"
    r"|(?:(?<!cu)bot|crawler|spider|scanner)\b",
    re.IGNORECASE,
)
_PROGRAMS = re.compile(
    r"(?:curl|wget|python|python-requests|python-urllib|aiohttp|httpx|go-http-client|java|okhttp|apache-httpclient|ahc"
    r"|libwww-perl|ruby|node-fetch|axios|powershell|headlesschrome|phantomjs)\b",
    re.IGNORECASE,
)
_PREFETCH = re.compile(r"\b(?:prefetch|preview|prerender)\b", re.IGNORECASE)


def reader_of(request: Request) -> Reader:
    """Who asked."""
    if request.method == "HEAD":
        return Reader.PROBE
    agent = request.agent.strip()
    if agent in _EXACT:
        return _EXACT[agent]
    for pattern, reader in _PROXIES:
        if pattern.search(agent):
            return reader
    if _SCANNERS.search(agent):
        return Reader.SCANNER
    if _PROGRAMS.match(agent) or "HeadlessChrome" in agent:
        return Reader.PROGRAM
    return Reader.PREFETCH if _PREFETCH.search(request.purpose) else Reader.PERSON


def hastened(event: TrackingEvent, accepted_at: datetime, soon: timedelta = SOON) -> TrackingEvent:
    """The event, marked as a machine's if it came within `soon` of the mail server's acceptance (or before we knew).

    For whoever knows when that was: the ledger. One that is known for a machine's keeps what it is known by.
    """
    if event.automatic or event.occurred_at - accepted_at >= soon:
        return event
    return replace(event, sub_type=Reader.TOO_SOON, automatic=True)
