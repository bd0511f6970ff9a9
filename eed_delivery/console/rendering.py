"""A page in its frame: navigation, breadcrumbs, the message of the act before, and the same by command line and API."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

from flask import Flask, Response, current_app, g, redirect, render_template, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from eed_delivery.access.callers import Caller
from eed_delivery.access.rights import Right
from eed_delivery.console.navigation import entries
from eed_delivery.console.routes import facts_now
from eed_delivery.console.shown import FILTERS
from eed_delivery.operations.snapshots import SharedFigures
from eed_delivery.operators.parts import OperatorsParts

ASSETS = Path(__file__).parent / "assets"
MESSAGE_COOKIE = "eed_message"
MESSAGE_SECONDS = 60
FRAGMENTS_KEPT = 100
_FRAME = "console_frame"


@dataclass(frozen=True, slots=True)
class Crumb:
    """A page above this one."""

    name: str
    path: str


class ConsoleFrame:
    """What is around each page. One belongs to one application."""

    def __init__(self, app: Flask, parts: OperatorsParts) -> None:
        self._parts = parts
        self._signer = URLSafeTimedSerializer(parts.secret, salt="message")
        self._secure = parts.settings.origin.startswith("https://")
        self._fragments: OrderedDict[Hashable, SharedFigures[str]] = OrderedDict()
        self._fragments_lock = threading.Lock()
        app.extensions[_FRAME] = self
        app.jinja_env.filters.update(FILTERS)
        app.jinja_env.globals.update(asset=asset_address, may=_may)
        app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    def facts(self) -> dict[str, Any]:
        """For the templates."""
        caller: Caller | None = g.get("caller")
        facts = facts_now()
        return {
            "caller": caller,
            "navigation": list(entries(current_app, caller, facts.section)) if caller else [],
            "commands": [f"eed-delivery {command}" for command in facts.commands],
            "calls": facts.calls,
            "message": self._message(),
            "session_ends": _session_ends(caller),
            "host": self._parts.host,
            "version": self._parts.version,
        }

    def shared(self, key: Hashable, make: Callable[[], str]) -> str:
        """A fragment that was made within two seconds. `make` is that of who asked first, and asks for who asks now."""
        with self._fragments_lock:
            figures = self._fragments.pop(key, None) or SharedFigures(make)
            self._fragments[key] = figures
            while len(self._fragments) > FRAGMENTS_KEPT:
                self._fragments.popitem(last=False)
        return figures.get()

    def keep(self, answer: Response, message: str) -> None:
        """Have the next page say this. It is signed, and is shown once."""
        text = str(self._signer.dumps(message))
        answer.set_cookie(
            MESSAGE_COOKIE, text, MESSAGE_SECONDS, path="/", secure=self._secure, httponly=True, samesite="Strict"
        )

    def _message(self) -> str:
        try:
            return str(self._signer.loads(request.cookies.get(MESSAGE_COOKIE, ""), max_age=MESSAGE_SECONDS))
        except BadSignature:
            return ""


def _session_ends(caller: Caller | None) -> datetime | None:
    """When the caller's session ends, by this host's clock."""
    if caller is None or caller.session_left is None:
        return None
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=caller.session_left)


def page(template: str, *, title: str, crumbs: Sequence[Crumb] = (), status: int = 200, **facts: Any) -> Response:
    """A page. `title` is its heading, and stands in the tab as well."""
    frame = cast("ConsoleFrame", current_app.extensions[_FRAME])
    around = frame.facts()
    answer = Response(render_template(template, title=title, crumbs=crumbs, **around, **facts), status)
    if around["message"]:
        answer.delete_cookie(MESSAGE_COOKIE, path="/", samesite="Strict")
    return answer


def fragment(template: str, **facts: Any) -> Response:
    """A part of a page, without the frame."""
    return Response(render_template(template, **facts))


def shared_fragment(template: str, facts: Callable[[], dict[str, Any]]) -> Response:
    """A part of a page that all viewers with the same rights share for two seconds. `facts` are asked only where it is
    made anew."""
    frame = cast("ConsoleFrame", current_app.extensions[_FRAME])
    caller: Caller | None = g.get("caller")
    key = (request.full_path, frozenset(caller.granted.rights) if caller else None)
    return Response(frame.shared(key, lambda: render_template(template, **facts())))


def see_other(path: str, message: str = "") -> Response:
    """After an act: the page to look at, with a message on it."""
    answer = cast("Response", redirect(path, 303))
    if message:
        cast("ConsoleFrame", current_app.extensions[_FRAME]).keep(answer, message)
    return answer


def is_renewal() -> bool:
    """Whether the script of a page that is open asks for its figures."""
    return request.headers.get("HX-Request") == "true"


def _may(right: str) -> bool:
    caller: Caller | None = g.get("caller")
    return caller is not None and caller.may(Right(right))


@cache
def asset_address(name: str) -> str:
    """Its address changes with its content, so that a browser may keep it."""
    return f"/assets/{name}?v={hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]}"
