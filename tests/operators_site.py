"""Pages and API as a caller reaches them, over a world of a test: the real application, without its HTTP server."""

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import Client, TestResponse

from eed_delivery.access.rights import OperatorRole, Right
from eed_delivery.access.signing_keys import Fetch
from eed_delivery.app.operations import Operations
from eed_delivery.app.operators import application, parts_of
from eed_delivery.config import load
from eed_delivery.operations.access import NewTokenRequest, NewUserRequest
from eed_delivery.operations.actor import Actor
from tests.command_line import CommandLine
from tests.world import World

SECRET = "a_secret_of_the_tests_32_letters"
PASSWORD = "correct horse battery"
ROOT = Actor("root", "cli", "ops.example.com")
NONE: Mapping[str, str] = {}


class Site:
    """One installation. `more` goes into the configuration; `fetch` gets the keys of a proxy, `environ` is its
    environment."""

    def __init__(
        self,
        world: World,
        directory: Path,
        more: str = "",
        fetch: Fetch | None = None,
        environ: Mapping[str, str] = NONE,
    ) -> None:
        self.world = world
        if "[operators]" not in more:
            more = f'[operators]\nlisten = "127.0.0.1:8027"\n{more}'
        self.cli = CommandLine(directory, world.url, more=more)
        self.cli.environ.update({"EED_OPERATORS__SECRET": SECRET, **environ})
        self.settings = load(self.cli.config, self.cli.environ)
        self._fetch = fetch
        self._tokens: dict[str, str] = {}

    @cached_property
    def operations(self) -> Operations:
        """Those of the person who installs it."""
        return Operations(self.settings, ROOT, self.world.database)

    @cached_property
    def app(self) -> Flask:
        """Made when it is first asked: a test of commands needs none."""
        return application(parts_of(self.settings, self.world.database, self._fetch))

    def token(self, role: str, *scopes: str, name: str = "", seconds: float = 3600) -> str:
        """A token of this role, made once."""
        name = name or "-".join((role, *scopes))
        if name not in self._tokens:
            given = tuple(map(Right, scopes))
            self._tokens[name] = self.operations.tokens.add(
                NewTokenRequest(name, OperatorRole(role), seconds, given)
            ).secret
        return self._tokens[name]

    def user(self, name: str, role: str = "operator", *rights: str) -> None:
        """A user with PASSWORD."""
        self.operations.users.add(NewUserRequest(name, PASSWORD, OperatorRole(role), tuple(map(Right, rights))))

    def browser(self) -> Client:
        """A client that keeps cookies."""
        return Client(self.app)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        role: str | None = "admin",
        peer: str = "127.0.0.1",
        media: str = "application/json",
        **headers: str,
    ) -> TestResponse:
        """One request of the API, by a token of `role`. Words of header names are separated by _."""
        secret = token or (self.token(role) if role else None)
        given = {"Authorization": f"Bearer {secret}"} if secret else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else body if isinstance(body, str | bytes) else json.dumps(body)
        content = None if body is None else media
        return Client(self.app).open(
            path, method=method, headers=given, data=data, content_type=content, environ_base={"REMOTE_ADDR": peer}
        )

    def json(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """What a request that succeeds is answered."""
        answer = self.ask(method, path, body, **more)
        assert answer.status_code == 200, answer.text
        return answer.json

    def problem(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, dict[str, Any]]:
        """Status and problem of a request that fails."""
        answer = self.ask(method, path, body, **more)
        assert answer.mimetype == "application/problem+json", answer.text
        assert answer.json is not None
        assert answer.json["status"] == answer.status_code
        return answer.status_code, answer.json


def _compiled_once(compile_builder: Callable[..., Any]) -> Callable[..., Any]:
    """Werkzeug compiles two functions for each route, which is two thirds of what an application costs. They depend on
    the route's words alone, and hundreds of tests make the same application."""
    known: dict[Any, Any] = {}

    def compiled(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in known:
            known[key] = compile_builder(rule, append_unknown)
        return known[key]

    return compiled


Rule._compile_builder = _compiled_once(Rule._compile_builder)  # type: ignore[method-assign]
