"""What the style sheets of an email hide from all of its readers.

Only `display`, `visibility` and `opacity` are read, and only in rules that apply to every reader. What is hidden from
phones, or under a pointer, is there for the others. lexbor takes no element for one that a pointer is over. Sizes are
left alone. A rule for a row and one for its columns undo each other, and half of what they say would cost words.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import tinycss2
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from eed_delivery.rendering import css
from eed_delivery.rendering.css import Declarations

_LOOKED_AT = frozenset({"display", "visibility", "opacity"})
_MAY_HIDE = re.compile(r"none|hidden|opacity|collapse|\\", re.IGNORECASE)  # a backslash may hide the word
_EVERYWHERE = frozenset({"", "all", "screen"})
_COMMA, _MARKS = ",", (".", ":")
"""tinycss2's literal tokens are equal to these."""
_MOST_RULES = 200
"""Each is looked for in the whole page. Sheets with more are not written for emails."""


class StyleRule(NamedTuple):
    """One selector, and what it says. `specificity` is of ids, of classes and attributes, of elements."""

    specificity: tuple[int, int, int]
    selector: str
    declared: Declarations


def said_in_sheets(page: LexborHTMLParser) -> Mapping[int, Declarations]:
    """What the sheets say of each element that they say something of, by its `mem_id`. Empty when they hide nothing."""
    rules = [rule for sheet in page.tags("style") for rule in _rules_in(sheet)]
    if len(rules) > _MOST_RULES or not any(_hides(rule.declared) for rule in rules):
        return {}
    found: dict[int, Declarations] = {}
    for rule in sorted(rules, key=lambda rule: rule.specificity):  # the order stays, where that is equal
        for node in _selected(page, rule.selector):
            found[node.mem_id] = css.over(found.get(node.mem_id, css.NOTHING), rule.declared)
    return found


def _rules_in(sheet: LexborNode) -> Sequence[StyleRule]:
    text = sheet.child.text_content if sheet.child is not None else None
    if not text or not _MAY_HIDE.search(text) or not _is_everywhere(sheet.attributes.get("media") or ""):
        return ()
    return _rules(text)


def _is_everywhere(media: str) -> bool:
    return media.strip().lower() in _EVERYWHERE


def _selected(page: LexborHTMLParser, selector: str) -> Sequence[LexborNode]:
    try:
        return page.css(selector)
    except (SelectolaxError, ValueError):  # a selector that lexbor does not know
        return ()


def _hides(declared: Declarations) -> bool:
    hidden = css.display(declared) == "none" or css.word(declared, "visibility") in ("hidden", "collapse")
    return hidden or css.is_zero(declared, "opacity")


@lru_cache(maxsize=64)  # those of a few jobs
def _rules(sheet: str) -> tuple[StyleRule, ...]:
    return tuple(_unconditional(tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)))


def _unconditional(nodes: Sequence[Any]) -> Iterator[StyleRule]:
    for node in nodes:
        if node.type == "at-rule" and node.lower_at_keyword == "media" and node.content is not None:
            if _is_everywhere(tinycss2.serialize(node.prelude)):
                yield from _unconditional(
                    tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                )
        elif node.type == "qualified-rule":
            yield from _of_rule(node)


def _of_rule(node: Any) -> Iterator[StyleRule]:
    said = css.of_nodes(tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True))
    declared = {name: value for name, value in said.items() if name in _LOOKED_AT}
    if not declared:
        return
    for is_comma, tokens in groupby(node.prelude, key=lambda token: token == _COMMA):
        if not is_comma:
            selector = list(tokens)
            yield StyleRule(_specificity(selector), tinycss2.serialize(selector).strip(), declared)


def _specificity(selector: Sequence[Any]) -> tuple[int, int, int]:
    """Selectors 4, section 17, but `:not()` and `:is()` count as a class, whatever is in them."""
    kinds = [token.type for token in selector]
    named = sum(before in _MARKS and token.type == "ident" for before, token in pairwise(selector))
    classes = named + kinds.count("[] block") + kinds.count("function")
    return kinds.count("hash"), classes, kinds.count("ident") - named
