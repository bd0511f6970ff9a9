"""The pages of the navigation, in their order. One that is not there, or not for the viewer, is not shown."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask

from eed_delivery.access.callers import Caller
from eed_delivery.operators.routes import OPEN, right_of

NAVIGATION = (
    ("Tonight", "/"),
    ("Jobs", "/jobs"),
    ("Search", "/search"),
    ("Doubts", "/doubts"),
    ("Channels", "/channels"),
    ("Suppressions", "/suppressions"),
    ("Processes", "/processes"),
    ("Operations", "/operations"),
    ("Audit", "/audit"),
    ("Settings", "/settings"),
)
"""Section and address. The right is the one that the page's route declares."""


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """A link. `current`: the page belongs to this section."""

    name: str
    path: str
    current: bool


def entries(app: Flask, caller: Caller, section: str) -> Iterator[NavigationEntry]:
    """Those that the caller may see."""
    endpoints = {rule.rule: rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    for name, path in NAVIGATION:
        endpoint = endpoints.get(path)
        right = None if endpoint is None else right_of(app, endpoint)
        if right is not None and (right is OPEN or caller.may(right)):
            yield NavigationEntry(name, path, name == section)
