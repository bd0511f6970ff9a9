"""Acts on one thing that a page's address names, as a table. Each row is a page that asks, acts and says so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import ActDone, Confirmation, confirmed
from eed_delivery.console.rendering import Crumb
from eed_delivery.console.routes import BOTH, PageRoutes


@dataclass(frozen=True, slots=True)
class PageDecision:
    """A row. `view` is the name of its page. `ask` is the confirmation, and `act` does it and returns what to say.

    Both get what the address names, and `act` what was typed. `back` is the page to look at then.
    """

    view: str
    path: str
    right: Right
    command: str
    call: str
    ask: Callable[[str], Confirmation]
    act: Callable[[str, Mapping[str, str]], str]
    back: Crumb


def add_decisions(routes: PageRoutes, section: str, decisions: Sequence[PageDecision]) -> None:
    """A page for each."""
    for one in decisions:
        page = _page_of(one)
        page.__name__ = one.view
        routes.page(one.path, one.right, section=section, command=one.command, call=one.call, methods=BOTH)(page)


def _page_of(one: PageDecision) -> Callable[..., Response]:
    def page(**named: object) -> Response:
        (which,) = map(str, named.values())
        return confirmed(lambda: one.ask(which), lambda given: ActDone(one.act(which, given), one.back.path))

    return page
