"""The table of all pages. Each is looked at in all colours and widths, by keyboard, and without a script.

A new page gets one line here. Where it needs something to show, that is in `night`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ConsolePage:
    """A page as an admin who may see recipients opens it. `empty`: it is there in an installation without any job, too.
    `status` is what it is answered with."""

    name: str
    path: str
    empty: bool = False
    status: int = 200


PAGES = (
    ConsolePage("login", "/login", empty=True),
    ConsolePage("tonight", "/", empty=True),
    ConsolePage("audit", "/audit", empty=True),
    ConsolePage("operations", "/operations", empty=True),
    ConsolePage("no such page", "/nowhere", empty=True, status=404),
)
