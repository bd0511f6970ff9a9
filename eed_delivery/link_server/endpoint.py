"""The WSGI application, from the address that was asked for to its meaning and the answer."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog

from eed_delivery.events import EventKind, TrackingEvent
from eed_delivery.link_server import answers
from eed_delivery.link_server.answers import LinkAnswer
from eed_delivery.link_server.forms import Wish, wish_in
from eed_delivery.link_server.machines import Request, reader_of
from eed_delivery.links.tokens import CLICK, PIXEL, UNSUBSCRIBE, ClickLink, Links, PixelLink

log = structlog.get_logger(__name__)

AT_ONCE = 2
"""Unsubscriptions that may wait for the database at the same time: the other threads must stay free to answer."""

_PATH = re.compile(rf"/([{PIXEL}{CLICK}{UNSUBSCRIBE}])/([A-Za-z0-9_.-]+)")
_READ, _READ_AND_POST = ("GET", "HEAD"), ("GET", "HEAD", "POST")
_PURPOSES = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
_MAX_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """A recipient of this email wants no more of this category (empty means of any)."""

    email_id: int
    gen: int
    category: str
    wish: Wish
    occurred_at: datetime


def _now() -> datetime:
    return datetime.now(UTC)


class LinkEndpoint:
    """Answers from the signed address alone, so no reader waits for the database.

    `opened` and `clicked` must return at once and never raise (Intake.put). `unsubscribed` may take its time, within
    bounds of its own, and is to raise if the wish is not stored. Then the answer says to try again, because a wish that
    is confirmed must not be lost.
    """

    def __init__(
        self,
        links: Links,
        opened: Callable[[TrackingEvent], None],
        clicked: Callable[[TrackingEvent], None],
        unsubscribed: Callable[[Unsubscription], None],
        now: Callable[[], datetime] = _now,
        valid_days: int = 0,
    ) -> None:
        """`valid_days` is how old a picture or a link may be. 0 means of any age. Unsubscribing works at any age."""
        self._links = links
        self._opened = opened
        self._clicked = clicked
        self._unsubscribed = unsubscribed
        self._now = now
        self._valid_days = valid_days
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer = self._answer(environ)
        except Exception:  # the server's own log would hold the path, and with it the signed token
            log.exception("request_failed", purpose=environ.get("PATH_INFO", "")[1:2])
            answer = answers.LATER
        start_response(answer.status, answer.headers())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: WSGIEnvironment) -> LinkAnswer:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        match = _PATH.fullmatch(path)
        purpose, token = match.groups() if match else ("", "")
        allowed = _READ_AND_POST if purpose == UNSUBSCRIBE else _READ
        if method not in allowed:
            return answers.not_allowed(allowed)
        if purpose == CLICK:
            return self._click(token, environ)
        if purpose == UNSUBSCRIBE:
            return self._unsubscribe(token, environ)
        if path.startswith(f"/{PIXEL}/"):
            return self._open(token, environ)
        return answers.HEALTHY if path == "/healthz" else answers.UNKNOWN

    def _open(self, token: str, environ: WSGIEnvironment) -> LinkAnswer:
        link = self._links.read_pixel(token.removesuffix(".gif"))
        if link is not None and not self._expired(link):
            self._opened(self._event(EventKind.OPEN, link, environ))
        return answers.PIXEL  # in any case, because a broken picture helps no reader

    def _click(self, token: str, environ: WSGIEnvironment) -> LinkAnswer:
        link = self._links.read_click(token)
        if link is None:
            return answers.UNKNOWN
        if self._expired(link):
            return answers.EXPIRED
        self._clicked(self._event(EventKind.CLICK, link, environ, link.target))
        return answers.redirect(link.target)

    def _expired(self, link: PixelLink | ClickLink) -> bool:
        return 0 < self._valid_days < link.age_days

    def _unsubscribe(self, token: str, environ: WSGIEnvironment) -> LinkAnswer:
        """Only a POST unsubscribes, because scanners and prefetches GET every link there is (RFC 8058, section 1)."""
        link = self._links.read_unsubscribe(token)
        if link is None:
            return answers.UNKNOWN
        if environ["REQUEST_METHOD"] != "POST":
            return answers.ASK
        wish = wish_in(environ)
        if wish is None:
            return answers.NO_WISH
        done = self._stored(Unsubscription(link.email_id, link.gen, link.category, wish, self._now()))
        return answers.UNSUBSCRIBED if done else answers.LATER

    def _stored(self, unsubscription: Unsubscription) -> bool:
        if not self._room.acquire(blocking=False):
            return False
        try:
            self._unsubscribed(unsubscription)
        except Exception:
            log.exception("unsubscription_failed", email_id=unsubscription.email_id)
            return False
        finally:
            self._room.release()
        return True

    def _event(
        self, kind: EventKind, link: PixelLink | ClickLink, environ: WSGIEnvironment, target: str = ""
    ) -> TrackingEvent:
        """The event of a request. The same again within the same second by the same agent is the same event."""
        purpose = " ".join(environ.get(name, "") for name in _PURPOSES)
        request = Request(environ["REQUEST_METHOD"], environ.get("HTTP_USER_AGENT", ""), purpose)
        reader, now = reader_of(request), self._now()
        same = (kind, link.email_id, link.gen, target, reader, request.agent, int(now.timestamp()))
        return TrackingEvent(
            event_id="web-" + hashlib.blake2b(repr(same).encode(), digest_size=16).hexdigest(),
            kind=kind,
            occurred_at=now,
            email_id=link.email_id,
            gen=link.gen,
            sub_type=reader,
            detail=_shown(target),
            automatic=reader.automatic,
        )


def _shown(target: str) -> str:
    """A link as people may read it, without what follows `?` or `#`, and without a path that looks like an address."""
    try:
        parts = urlsplit(target)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:  # a host in brackets that is no IPv6 address
        return ""
    path = "" if "@" in parts.path or "%40" in parts.path else parts.path
    return f"{parts.scheme}://{host}{path}"[:_MAX_DETAIL] if target else ""
