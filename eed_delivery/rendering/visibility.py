"""Which parts of an HTML email its reader does not see, and so are not in the text part.

The rules are those of the HTML standard, section 15.3 (https://html.spec.whatwg.org/multipage/rendering.html), and of
CSS. What decides is the element's own `style`, and of style sheets what holds without a condition
(style_sheets.py). Where we cannot know, the words stay.

These do not hide anything, and each for a reason:

- `mso-hide:all` hides from Word, which Outlook for Windows shows emails with. All others show the element. Buttons are
  made so. Outlook gets a drawing in a comment, all others the link.
- `aria-hidden` hides from screen readers, and is seen by all others.
- Colours, `text-indent`, positions off the page. Which of them hide depends on what is around. Some are for people who
  hear the page, and they read the text part too.
- `<details>` that is closed, because the reader opens it. In a text part nothing can be opened.
- What is in `<video>`, `<audio>`, `<canvas>` or `<object>` is for programs that cannot show these (section 4.8.8).
  `<rp>` is the same for `<ruby>` (section 4.5.12). `<noscript>` is for programs without scripts, such as mail programs.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from eed_delivery.rendering import css
from eed_delivery.rendering.css import Declarations, Token

_NOT_RENDERED = "area base basefont datalist dialog head link meta noembed noframes param script style template title"
NOT_RENDERED = frozenset(_NOT_RENDERED.split())
"""Section 15.3.1, without `rp`. `dialog` is closed unless it has `open` (section 15.3.2)."""
_NEVER_RENDERED = frozenset({"iframe"})
"""It shows another page, and never what is in it (section 4.8.5)."""

_BLOCKS = (
    "address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer"
    " form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu nav ol optgroup option p plaintext pre"
    " search section summary ul xmp"
)
BLOCKS = frozenset(_BLOCKS.split())
"""Sections 15.3.3, 15.3.6 and 15.3.7: `display: block` or `list-item`."""

_PREFORMATTED = frozenset({"pre", "listing", "plaintext", "xmp", "textarea"})
_OWN_FONT = frozenset({"button", "input", "select", "textarea"})
"""They do not take the size of the text around them (section 15.5)."""

_CLIPPED = "block flex flow-root grid inline-block inline-flex inline-grid list-item"
_CLIPPED_DISPLAYS = frozenset(_CLIPPED.split())
"""A table's parts grow with what they hold, and inline elements have no height of their own (CSS 2.2, 10.5, 10.7)."""
_OUT_OF_FLOW = {"float": ("left", "right"), "position": ("absolute", "fixed")}
"""These make a block of any element (CSS 2.2, 9.7)."""
_VISIBILITIES = {"visible": True, "initial": True, "hidden": False, "collapse": False}
_SPACES = {
    **dict.fromkeys(("normal", "nowrap", "initial"), "normal"),
    **dict.fromkeys(("pre", "pre-wrap", "break-spaces"), "pre"),
    "pre-line": "pre-line",
}
_RELATIVE = frozenset({"em", "ex", "ch", "ic", "cap", "lh", "%", "inherit", "unset", "larger", "smaller"})
"""Sizes that come from the size around: of nothing they are nothing."""
_CLIPS = frozenset({"hidden", "clip", "auto", "scroll"})


class Style(NamedTuple):
    """What an element hands on to what is in it, and its own `display` where it gives one."""

    visible: bool = True
    """False under `visibility: hidden`; an element in there may be visible again."""
    sized: bool = True
    """False under `font-size: 0`. An element in there may have another size: a common way to close gaps."""
    space: str = "normal"
    """How white space is treated (CSS Text 3, section 3): normal, pre or pre-line."""
    display: str = ""


def style_of(
    tag: str, attributes: Mapping[str, str | None], around: Style, sheets: Declarations, quirks: bool
) -> Style | None:
    """The style of an element in one with the style `around`. None when nothing in it is rendered.

    `sheets` is what style sheets say of it. `quirks` means that the document has no doctype. Then tables do not take
    the font size from around them (section 15.3.10).
    """
    written, hidden = attributes.get("style") or "", _is_hidden(tag, attributes)
    if sheets and tag not in NOT_RENDERED:
        return _style(tag, hidden, css.over(sheets, css.of_attribute(written)), around, quirks)
    return _own_style(tag, hidden, written, around, quirks)


@lru_cache(maxsize=8192)  # the same few, in every email of a job
def _own_style(tag: str, hidden: bool, written: str, around: Style, quirks: bool) -> Style | None:
    return _style(tag, hidden, css.of_attribute(written) if written else css.NOTHING, around, quirks)


def _style(tag: str, hidden: bool, declared: Declarations, around: Style, quirks: bool) -> Style | None:
    display = css.display(declared)
    if display == "none" or (hidden and not display) or tag in _NEVER_RENDERED or _is_unseen(tag, display, declared):
        return None
    space = _SPACES.get(css.word(declared, "white-space"), "pre" if tag in _PREFORMATTED else around.space)
    sized = _sized(declared, around.sized or tag in _OWN_FONT or (quirks and tag == "table"))
    return Style(_VISIBILITIES.get(css.word(declared, "visibility"), around.visible), sized, space, display)


def _is_hidden(tag: str, attributes: Mapping[str, str | None]) -> bool:
    """By its tag, or by the attribute `hidden` (HTML 6.1) with any value. An author's `display` goes before both."""
    if tag == "dialog":
        return "open" not in attributes or "hidden" in attributes
    return tag in NOT_RENDERED or "hidden" in attributes


def _is_unseen(tag: str, display: str, declared: Declarations) -> bool:
    """Whether the element takes part in the page, but no point of what is in it can be seen."""
    if css.is_zero(declared, "opacity") or css.word(declared, "content-visibility") == "hidden":
        return True  # CSS Color 4, 3.3 and CSS Containment 2, 4: nothing in there can be seen again
    if not any(css.word(declared, name) in _CLIPS for name in ("overflow", "overflow-x", "overflow-y")):
        return False  # it flows over, and is seen (CSS 2.2, 11.1.1)
    if not any(css.is_zero(declared, name) for name in ("height", "max-height", "width", "max-width")):
        return False
    blockified = any(css.word(declared, name) in words for name, words in _OUT_OF_FLOW.items())
    return blockified or (display in _CLIPPED_DISPLAYS if display else tag in BLOCKS)


def _sized(declared: Declarations, around: bool) -> bool:
    """Whether text has a size (CSS Fonts 4, 2.5). Of `font` and `font-size` the later one counts."""
    named = [name for name in declared if name in ("font", "font-size")]
    if not named:
        return around
    tokens = declared[named[-1]].tokens
    return _is_a_size(_size_in(tokens) if named[-1] == "font" else tokens[0], around)


def _size_in(font: tuple[Token, ...]) -> Token:
    """The size in a `font` (CSS Fonts 4, 2.7) is its first length. A number before it is a weight, unless it is 0."""
    sizes = (token for token in font if token.type in ("dimension", "percentage") or css.is_zero_token(token))
    return next(sizes, font[0])


def _is_a_size(token: Token, around: bool) -> bool:
    if css.is_zero_token(token):
        return False
    kinds = {
        "percentage": "%",
        "dimension": getattr(token, "lower_unit", ""),
        "ident": getattr(token, "lower_value", ""),
    }
    return around if kinds.get(token.type) in _RELATIVE else True
