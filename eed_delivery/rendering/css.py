"""Declarations of CSS. They are what a `style` attribute or a rule says of the properties that decide what is seen.

tinycss2 reads them by CSS Syntax 3, so that comments, escapes, strings and addresses are what they are.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import tinycss2

Token = Any  # tinycss2 has no types
Tokens = tuple[Token, ...]

_PROPERTIES = (
    "display visibility opacity content-visibility font font-size white-space float position"
    " height max-height width max-width overflow overflow-x overflow-y"
)
_USED = frozenset(_PROPERTIES.split())
_DISPLAYS = (
    "none contents inline inline-block inline-flex inline-grid inline-table ruby block flex flow-root grid list-item"
    " run-in table table-caption table-cell table-column table-column-group table-footer-group table-header-group"
    " table-row table-row-group -webkit-box initial inherit unset revert"
)
_KNOWN_DISPLAYS = frozenset(_DISPLAYS.split())


class Value(NamedTuple):
    """What is said of a property, without white space and comments."""

    tokens: Tokens
    important: bool


Declarations = Mapping[str, Value]
"""By property."""

NOTHING: Declarations = {}


@lru_cache(maxsize=4096)  # the same few, in every email of a job
def of_attribute(style: str) -> Declarations:
    """What a `style` attribute says."""
    return of_nodes(tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True))


def of_nodes(nodes: Iterable[Any]) -> Declarations:
    """What declarations say, of which the later one counts, or the one with `!important` (CSS Cascade 5, 6.4).

    One whose value is not valid does not count, because programs ignore it.
    """
    found: dict[str, Value] = {}
    for node in nodes:
        if node.type != "declaration" or node.lower_name not in _USED:
            continue
        tokens = tuple(token for token in node.value if token.type not in ("whitespace", "comment"))
        if _is_valid(node.lower_name, tokens):
            _put(found, node.lower_name, Value(tokens, node.important))
    return found


def over(lower: Declarations, higher: Declarations) -> Declarations:
    """Both together. What `higher` says counts, but not against an `!important` of `lower` alone."""
    if not lower or not higher:
        return lower or higher
    found = dict(lower)
    for name, value in higher.items():
        _put(found, name, value)
    return found


def _put(found: dict[str, Value], name: str, value: Value) -> None:
    before = found.pop(name, None)
    found[name] = value if before is None or value.important or not before.important else before


def _is_valid(name: str, tokens: Tokens) -> bool:
    if name != "display":
        return bool(tokens)
    words = {_word_of(token) for token in tokens}
    return bool(words) and (words <= _KNOWN_DISPLAYS or (len(tokens) > 1 and "" not in words))


def _word_of(token: Token) -> str:
    return token.lower_value if token.type == "ident" else ""


def word(declared: Declarations, name: str) -> str:
    """The word that is said of a property. "" for none, or something else."""
    value = declared.get(name)
    return _word_of(value.tokens[0]) if value else ""


def display(declared: Declarations) -> str:
    """The `display`. "" for none. Of two words such as `inline flex` that do not hide, "block"."""
    value = declared.get("display")
    return "block" if value and len(value.tokens) > 1 else word(declared, "display")


def is_zero(declared: Declarations, name: str) -> bool:
    """Whether a property is 0 of any unit, and nothing more."""
    value = declared.get(name)
    return value is not None and len(value.tokens) == 1 and is_zero_token(value.tokens[0])


def is_zero_token(token: Token) -> bool:
    """Whether a number, a length or a percentage is 0."""
    return token.type in ("number", "dimension", "percentage") and token.value == 0
