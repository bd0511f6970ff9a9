"""Values that an email does not have, which are names whose value is NULL, in the source's column or in its JSON.

They are printed as nothing, or the email fails (`rendering.missing`). Either way it is known which they were, because a
letter that says "Balance: EUR " must not leave by the thousand unseen.
"""

from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateRuntimeError

AN_EXPRESSION = "an expression"
MAX_NAME = 60

TEXT_FILTERS = frozenset(
    {
        *(
            "capitalize",
            "e",
            "escape",
            "forceescape",
            "lower",
            "replace",
            "safe",
            "string",
            "striptags",
            "title",
            "trim",
        ),
        *("truncate", "upper", "urlencode", "wordcount"),
    }
)
"""Filters that would make the text "None" of a value that is not there."""
NUMBER_FILTERS = frozenset({"float", "int"})
"""Filters that make 0 of it. They keep that meaning, and the value counts as missing."""


class Missing:
    """What was missing while one email was rendered, as names in the order of their first use."""

    __slots__ = ("_fails", "_names")

    def __init__(self, fails: bool = False) -> None:
        self._fails = fails
        self._names: dict[str, None] | None = None  # most emails have all their values

    @property
    def names(self) -> tuple[str, ...]:
        """As the templates spell them, such as "balance" and "order.total". Nothing of any customer's data."""
        return tuple(self._names) if self._names else ()

    def note(self, name: str) -> None:
        """`name` was to be printed and has no value. Raises TemplateRuntimeError where that fails the email."""
        if self._fails:
            raise TemplateRuntimeError(f"{name} has no value for this email (NULL), and rendering.missing is 'fail'")
        if self._names is None:
            self._names = {}
        self._names[name] = None


def name_of(node: nodes.Node) -> str:
    """What the template calls the value of an expression, such as "order.total" for `order.total|upper`."""
    return _path(node)[:MAX_NAME] or AN_EXPRESSION


def _path(node: Any) -> str:
    match node:
        case nodes.Name():
            return str(node.name)
        case nodes.Getattr():
            return _joined(node.node, node.attr)
        case nodes.Getitem(arg=nodes.Const(value=(str() | int()) as key)):
            return _joined(node.node, str(key))
        case nodes.Filter(node=nodes.Node() as inner):
            return _path(inner)
        case nodes.Call():
            return _path(node.node)
        case _:
            return ""


def _joined(owner: nodes.Node, name: str) -> str:
    path = _path(owner)
    return f"{path}.{name}" if path else ""
