"""How a page declares its route: the right that it needs, and the command and the API call that do the same."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from flask import Blueprint, current_app, request

from eed_delivery.operators.routes import RouteRight, needs

PageView = TypeVar("PageView", bound=Callable[..., Any])
BOTH = ("GET", "POST")
"""The methods of a page that asks, and then acts."""
_FACTS = "page_facts"


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a page's frame says of it. `section` is a name of `NAVIGATION`, "" for none. `commands` are command lines
    without the program's name, `calls` are method and path. Both may have names of the page's own path in braces."""

    section: str = ""
    commands: Sequence[str] = ()
    calls: Sequence[str] = ()


class PageRoutes:
    """Collects the routes of pages."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint

    def page(
        self,
        path: str,
        right: RouteRight,
        *,
        section: str = "",
        command: str | Sequence[str] = (),
        call: str | Sequence[str] = (),
        methods: Sequence[str] = ("GET",),
    ) -> Callable[[PageView], PageView]:
        """A page. Its name is the function's. With POST among the `methods` it is a form, and acts (`acting`)."""
        facts = PageFacts(section, _many(command), _many(call))

        def register(view: PageView) -> PageView:
            setattr(view, _FACTS, facts)
            self._blueprint.add_url_rule(path, view.__name__, needs(right)(view), methods=list(methods))
            return view

        return register


def facts_now() -> PageFacts:
    """Of the page that is asked for, with the names in its path."""
    view = current_app.view_functions.get(request.endpoint or "")
    facts = getattr(view, _FACTS, None)
    if not isinstance(facts, PageFacts):
        return PageFacts()
    given: Mapping[str, str] = {name: str(value) for name, value in (request.view_args or {}).items()}
    shell = {name: shlex.quote(value) for name, value in given.items()}
    address = {name: quote(value, safe="") for name, value in given.items()}
    return PageFacts(
        facts.section,
        [command.format_map(shell) for command in facts.commands],
        [call.format_map(address) for call in facts.calls],
    )


def _many(given: str | Sequence[str]) -> Sequence[str]:
    return (given,) if isinstance(given, str) else tuple(given)
