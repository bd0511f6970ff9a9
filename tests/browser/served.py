"""The application behind its HTTP server, in a thread of this process, at a free port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from sqlalchemy import event
from sqlalchemy.exc import InterfaceError

from eed_delivery.link_server.server import HttpLimits, WebServer
from tests.operators_site import PASSWORD, Site
from tests.world import World


class ServedConsole:
    """One installation. `url` is where a browser reaches it."""

    def __init__(self, world: World, directory: Path, more: str = "", threads: int = 8) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.world = world
        self.site = Site(world, directory, more)
        self._server = WebServer(
            self.site.app, "127.0.0.1", 0, HttpLimits(threads, 65_536, 1_048_576), keep_proxy_headers=True
        )
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._server.run, args=(self._stop,), daemon=True)
        self._cookies: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> "ServedConsole":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """Meanwhile each statement of its fails, as one does whose server has gone away."""

        def fail(*_: object) -> None:
            raise InterfaceError("the server has gone away", None, OSError("it has gone away"))

        event.listen(self.world.database.engine, "before_cursor_execute", fail)
        try:
            yield
        finally:
            event.remove(self.world.database.engine, "before_cursor_execute", fail)

    def cookies(self, role: str = "admin", *rights: str) -> list[dict[str, Any]]:
        """Those of a person with this role, who has logged in once."""
        name = "-".join((role, *rights))
        if name not in self._cookies:
            self.site.user(name, role, *rights)
            self._cookies[name] = [{"name": key, "value": value, "url": self.url} for key, value in self._log_in(name)]
        return self._cookies[name]

    def _log_in(self, name: str) -> list[tuple[str, str]]:
        form = urlencode({"name": name, "password": PASSWORD}).encode()
        headers = {"Sec-Fetch-Site": "same-origin"}
        try:
            build_opener(_Stay).open(Request(f"{self.url}/login", form, headers), timeout=60)
        except HTTPError as answer:
            assert answer.code == 303, answer.read()
            given = SimpleCookie(answer.headers["Set-Cookie"])
        return [(key, morsel.value) for key, morsel in given.items()]


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
