"""Which parts of an HTML email its reader does not see, and so are not in the text part.

The rules are those of the HTML standard, section 15.3 (https://html.spec.whatwg.org/multipage/rendering.html), and of
CSS. What decides is a style that always holds, in the element's own `style`. A rule in a style sheet may hold for a
phone or for one mail program only, so it hides nothing here: where we cannot know, the words stay.

These do not hide anything, and each for a reason:

- `mso-hide:all` hides from Word, which Outlook for Windows shows emails with. All others show the element. Buttons are
  made so: Outlook gets a drawing in a comment, everybody else the link.
- `aria-hidden` hides from screen readers, and is seen by everybody else.
- Colours, `text-indent`, positions off the page: which of them hide depends on what is around. Some are for people who
  hear the page, and they read the text part too.
- `<details>` that is closed: the reader opens it. In a text part nothing can be opened.
- What is in `<video>`, `<audio>`, `<canvas>` or `<object>` is for programs that cannot show these (section 4.8.8).
  `<rp>` is the same for `<ruby>` (section 4.5.12). `<noscript>` is for programs without scripts: mail programs.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import tinycss2

NOT_RENDERED = frozenset(
    {
        "area",
        "base",
        "basefont",
        "datalist",
        "head",
        "link",
        "meta",
        "noembed",
        "noframes",
        "param",
        "script",
        "style",
        "template",
        "title",
        "iframe",
        "dialog",
    }
)
"""Section 15.3.1, without `rp`. `iframe` holds text that is never shown (section 4.8.5), `dialog` is closed unless it
has `open` (section 15.3.2)."""

BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "listing",
        "main",
        "menu",
        "nav",
        "ol",
        "optgroup",
        "option",
        "p",
        "plaintext",
        "pre",
        "search",
        "section",
        "summary",
        "ul",
        "xmp",
    }
)
"""Sections 15.3.3, 15.3.6 and 15.3.7: `display: block` or `list-item`."""

_PREFORMATTED = frozenset(("pre", "listing", "plaintext", "xmp", "textarea"))
_OWN_FONT = frozenset(("button", "input", "select", "textarea"))
"""They do not take the size of the text around them (section 15.5)."""

_INLINE_DISPLAYS = frozenset(("inline", "contents", "ruby", "none"))
_DISPLAYS = (
    frozenset(
        {
            "block",
            "flex",
            "flow-root",
            "grid",
            "inline-block",
            "inline-flex",
            "inline-grid",
            "inline-table",
            "list-item",
            "table",
            "table-caption",
            "table-cell",
            "table-column",
            "table-column-group",
            "table-footer-group",
            "table-header-group",
            "table-row",
            "table-row-group",
            "-webkit-box",
            "run-in",
            "initial",
            "inherit",
            "unset",
            "revert",
        }
    )
    | _INLINE_DISPLAYS
)
_CLIPPED_DISPLAYS = frozenset(
    ("block", "flex", "flow-root", "grid", "inline-block", "inline-flex", "inline-grid", "list-item")
)
"""A table's parts grow with what they hold, and inline elements have no height of their own (CSS 2.2, 10.5, 10.7)."""
_OUT_OF_FLOW = {"float": ("left", "right"), "position": ("absolute", "fixed")}
"""These make a block of any element (CSS 2.2, 9.7)."""
_VISIBILITIES = {"visible": True, "initial": True, "hidden": False, "collapse": False}
_SPACES = {
    **dict.fromkeys(("normal", "nowrap", "initial"), "normal"),
    **dict.fromkeys(("pre", "pre-wrap", "break-spaces"), "pre"),
    "pre-line": "pre-line",
}
_RELATIVE_UNITS = frozenset(("em", "ex", "ch", "ic", "cap", "lh", "%"))
_RELATIVE_WORDS = frozenset(("inherit", "unset", "larger", "smaller"))
_CLIPS = frozenset(("hidden", "clip", "auto", "scroll"))
_USED = frozenset(
    {
        "display",
        "visibility",
        "font",
        "font-size",
        "opacity",
        "content-visibility",
        "white-space",
        "float",
        "position",
        "height",
        "max-height",
        "width",
        "max-width",
        "overflow",
        "overflow-x",
        "overflow-y",
    }
)

Token = Any  # tinycss2 has no types
Declarations = Mapping[str, tuple[Token, ...]]


class Style(NamedTuple):
    """What an element hands on to what is in it, and its own `display` where it gives one."""

    visible: bool = True
    """False under `visibility: hidden`; an element in there may be visible again."""
    sized: bool = True
    """False under `font-size: 0`. An element in there may have another size: a common way to close gaps."""
    space: str = "normal"
    """How white space is treated (CSS Text 3, section 3): normal, pre or pre-line."""
    display: str = ""


def style_of(tag: str, attributes: Mapping[str, str | None], around: Style, quirks: bool) -> Style | None:
    """The style of an element in one with the style `around`; None when nothing in it is rendered.

    `quirks`: the document has no doctype. Then tables do not take the font size from around them (section 15.3.10).
    """
    written = attributes.get("style")
    declared = _declarations(written) if written else _NOTHING
    display = _display(declared)
    if display == "none" or (not display and _is_hidden(tag, attributes)) or _is_unseen(tag, display, declared):
        return None
    space = "pre" if tag in _PREFORMATTED else around.space
    sized = around.sized or tag in _OWN_FONT or (quirks and tag == "table")
    if declared:
        space = _SPACES.get(_word(declared.get("white-space")), space)
        sized = _sized(declared, sized)
    return Style(_VISIBILITIES.get(_word(declared.get("visibility")), around.visible), sized, space, display)


def _is_hidden(tag: str, attributes: Mapping[str, str | None]) -> bool:
    """By its tag, or by the attribute `hidden` (HTML 6.1) with any value. An author's `display` goes before both."""
    if tag == "dialog":
        return "open" not in attributes or "hidden" in attributes
    return tag in NOT_RENDERED or "hidden" in attributes


def _is_unseen(tag: str, display: str, declared: Declarations) -> bool:
    """Whether the element takes part in the page, but no point of what is in it can be seen."""
    if not declared:
        return False
    if _is_zero(declared.get("opacity")) or _word(declared.get("content-visibility")) == "hidden":
        return True  # CSS Color 4, 3.3 and CSS Containment 2, 4: nothing in there can be seen again
    if not any(_word(declared.get(name)) in _CLIPS for name in ("overflow", "overflow-x", "overflow-y")):
        return False  # it flows over, and is seen (CSS 2.2, 11.1.1)
    if not any(_is_zero(declared.get(name)) for name in ("height", "max-height", "width", "max-width")):
        return False
    blockified = any(_word(declared.get(name)) in words for name, words in _OUT_OF_FLOW.items())
    return blockified or (display in _CLIPPED_DISPLAYS if display else tag in BLOCKS)


_NOTHING: Declarations = {}


@lru_cache(maxsize=4096)  # the same few, in every email of a job
def _declarations(style: str) -> Declarations:
    """What a `style` attribute says of the properties that matter here (CSS Style Attributes; CSS Cascade 5, 6.4).

    Of two that name the same property the later one counts, or the one with `!important`. One whose value is not valid
    does not count.
    """
    found: dict[str, Any] = {}
    for node in tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True):
        if node.type != "declaration" or node.lower_name not in _USED or not _is_valid(node):
            continue
        before = found.pop(node.lower_name, None)
        found[node.lower_name] = node if before is None or node.important or not before.important else before
    return {name: _tokens(node) for name, node in found.items()}


def _tokens(declaration: Any) -> tuple[Token, ...]:
    return tuple(token for token in declaration.value if token.type not in ("whitespace", "comment"))


def _is_valid(declaration: Any) -> bool:
    """Programs pass over a `display` that they don't know, so that the one before it counts."""
    tokens = _tokens(declaration)
    words = [_word((token,)) for token in tokens]
    return bool(tokens) and (
        declaration.lower_name != "display" or (len(words) > 1 and all(words)) or {*words} <= _DISPLAYS
    )


def _word(tokens: tuple[Token, ...] | None) -> str:
    """The first word of a value; "" if it begins with none."""
    return tokens[0].lower_value if tokens and tokens[0].type == "ident" else ""


def _display(declared: Declarations) -> str:
    tokens = declared.get("display")
    return "" if not tokens else _word(tokens) if len(tokens) == 1 else "block"


def _is_zero(tokens: tuple[Token, ...] | None) -> bool:
    return bool(tokens) and len(tokens or ()) == 1 and _is_zero_token((tokens or ())[0])


def _is_zero_token(token: Token) -> bool:
    return token.type in ("number", "dimension", "percentage") and token.value == 0


def _sized(declared: Declarations, around: bool) -> bool:
    """Whether text has a size (CSS Fonts 4, 2.5). Of `font` and `font-size` the later one counts."""
    for name in reversed(list(declared)):
        if name == "font-size" and declared[name]:
            return _is_a_size(declared[name][0], around)
        if name == "font":
            return _is_a_size(_size_in(declared[name]), around)
    return around


def _size_in(font: tuple[Token, ...]) -> Token:
    """The size in a `font` (CSS Fonts 4, 2.7): its first length; a number before it is a weight, unless it is 0."""
    sizes = (token for token in font if token.type in ("dimension", "percentage") or _is_zero_token(token))
    return next(sizes, font[0])


def _is_a_size(token: Token, around: bool) -> bool:
    if _is_zero_token(token):
        return False
    unit = "%" if token.type == "percentage" else getattr(token, "lower_unit", "")
    relative = unit in _RELATIVE_UNITS or _word((token,)) in _RELATIVE_WORDS
    return around if relative else True
