"""The right that each route declares. The role does not start with a route that declares none."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from typing import Any, TypeVar

from flask import Flask

from eed_delivery.access.rights import Right

View = TypeVar("View", bound=Callable[..., Any])
_MARK = "needs_right"
LARGEST_BODY = "largest_body"
"""The attribute of a view that takes larger bodies than the others."""
COMMAND = "same_command"
"""The attribute of a view that has the command line of the same act."""


class Anybody(Enum):
    """A route that asks nobody who they are."""

    OPEN = auto()


OPEN = Anybody.OPEN
RouteRight = Right | Anybody


class UndeclaredRoute(Exception):
    """A route that declares no right. It is a defect of ours."""


def needs(right: RouteRight) -> Callable[[View], View]:
    """Declare what a route asks for. It stands next to the function, below the route itself."""

    def mark(view: View) -> View:
        setattr(view, _MARK, right)
        return view

    return mark


def takes_up_to(size: int) -> Callable[[View], View]:
    """Let a route take a body of so many bytes. It stands next to the function, below the route itself."""

    def mark(view: View) -> View:
        setattr(view, LARGEST_BODY, size)
        return view

    return mark


def right_of(app: Flask, endpoint: str) -> RouteRight:
    """What a route asks for. Raises `UndeclaredRoute`."""
    found = getattr(app.view_functions[endpoint], _MARK, None)
    if not isinstance(found, Right | Anybody):
        raise UndeclaredRoute(f"the route {endpoint} declares no right")
    return found


def command_of(app: Flask, endpoint: str, given: Mapping[str, Any]) -> str:
    """The command line that does the same as a route with these names in its path. "" where there is none."""
    command = getattr(app.view_functions.get(endpoint), COMMAND, "")
    quoted = {name: shlex.quote(str(value)) for name, value in given.items()}
    return f"eed-delivery {command.format_map(quoted)}" if command else ""


def declared(app: Flask) -> Iterator[tuple[str, str, RouteRight]]:
    """Each method and path of the application, with its right. Raises `UndeclaredRoute`."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule.rule, right_of(app, rule.endpoint)
