"""The text part of an email that has only an HTML template. It is what a reader of the HTML sees, as text.

The HTML is read by lexbor, which is a parser of the HTML standard (section 13.2), as a browser has one. So `&currency=`
in a link is no currency sign (13.2.5.73), and broken or deeply nested markup loses none of its text. What is
not rendered is left out (visibility.py). How words and blocks stand follows the standard's `innerText` (3.2.7). It adds
what text would lose, such as the targets of links, the marks of lists, and the words that stand for pictures (4.8.4.4).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from eed_delivery.errors import RenderError
from eed_delivery.rendering.css import NOTHING, Declarations
from eed_delivery.rendering.html_limits import fit_for_parser
from eed_delivery.rendering.style_sheets import said_in_sheets
from eed_delivery.rendering.text_layout import BLANKS, MAX_CHARS, Room, Table, TextLines
from eed_delivery.rendering.visibility import BLOCKS, Style, style_of

_WITH_MARGINS = "blockquote dir dl fieldset figure h1 h2 h3 h4 h5 h6 hr listing menu ol p plaintext pre ul xmp"
_APART = frozenset(_WITH_MARGINS.split())
"""Blocks that have a margin (HTML 15.3.3, 15.3.6, 15.3.7)."""
_LISTS = frozenset(("dir", "menu", "ol", "ul"))
_MAX_SPAN = 1000  # HTML 4.9.11
_INLINE_BLOCKS = frozenset({"inline-block", "inline-flex", "inline-grid", "inline-table"})
"""Boxes in a line: a reader sees them apart, as buttons are."""
_INLINES = _INLINE_BLOCKS | {"contents", "inline", "ruby"}
_DOCTYPE = re.compile(r"(?>(?:\s|<!--.*?-->)*)<!doctype", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"\s*\+?([0-9]{1,6})")
_TRIMMED = "".join(map(chr, range(0x21)))
_REMOVED = {**dict.fromkeys(map(ord, "\t\n\r")), ord(" "): "%20"}
_TRUISMS = ("mailto:", "tel:")
"""A link to an address or a number adds nothing to its words, where these are the same."""


def text_of(html: str, max_chars: int = MAX_CHARS) -> str | None:
    """`html` as text, tables and lists laid out, links as [words](address). None when there is nothing to read.

    Raises `RenderError` when it would be longer than `max_chars`, before it is made, and when the parser has no memory.
    """
    whole = html.encode("utf-8", "replace").decode("utf-8")  # half a character is refused where the HTML part is made
    try:
        page = LexborHTMLParser(fit_for_parser(whole))
        if page.root is None:
            return None
        text = _Reader(_DOCTYPE.match(whole) is None, said_in_sheets(page), Room(max_chars)).read(page.root)
    except (MemoryError, RecursionError) as error:
        raise RenderError(
            f"the text part cannot be made from the HTML ({type(error).__name__}). Simplify it"
        ) from error
    return text if text.strip() else None


@dataclass(slots=True)
class _Link:
    """A link that is open, and what has been written of it."""

    address: str
    lines: TextLines
    begun: bool = False
    elsewhere: bool = False
    """There is something of it, but not as words in these lines: a picture, or cells of a table."""


@dataclass(slots=True)
class _List:
    """A list that is open. `number` is the next item's. None means that they have none."""

    number: int | None

    def mark(self) -> str:
        if self.number is None:
            return "*"
        self.number += 1
        return f"{self.number - 1}."


_End = Callable[[], object]


class _Open(NamedTuple):
    """An element that is open, and what is to be done at its end."""

    node: LexborNode
    is_block: bool
    apart: bool
    end: _End | None


@dataclass(slots=True)
class _Reader:
    """Goes through the tree in its order, without recursion, because a tree may be deep."""

    quirks: bool
    sheets: Mapping[int, Declarations]
    room: Room
    opened: list[_Open] = field(default_factory=list)
    styles: list[Style] = field(default_factory=lambda: [Style()])
    lines: list[TextLines] = field(default_factory=list)
    """The page's, and those of the cells that are open."""
    tables: list[Table | None] = field(default_factory=list)
    """Those that are open; None for a cell: what is in it is no part of the table around it."""
    lists: list[_List] = field(default_factory=list)
    links: list[_Link] = field(default_factory=list)

    def read(self, root: LexborNode) -> str:
        """The text of everything in `root`."""
        self.lines.append(TextLines(self.room))
        node: LexborNode | None = root
        while node is not None:
            if self._enter(node):
                if (child := node.child) is not None:
                    node = child
                    continue
                self._leave()
            while (following := node.next) is None and self.opened:
                node = self._leave()
            node = following
        return self.lines[0].finish().text()

    def _enter(self, node: LexborNode) -> bool:
        """Whether it is an element that has been opened."""
        tag = node.tag or ""
        if tag == "-text":
            style = self.styles[-1]
            if style.visible and style.sized:
                self._words(node.text_content or "", style.space)
            return False
        if tag.startswith("-"):  # a comment, and with it what is for Outlook only
            return False
        attributes = node.attributes
        said = self.sheets.get(node.mem_id, NOTHING) if self.sheets else NOTHING
        style_here = style_of(tag, attributes, self.styles[-1], said, self.quirks)
        if style_here is None:
            return False
        if tag == "br":
            self.lines[-1].end_line()
        elif tag == "img":
            self._picture(attributes, style_here)
        else:
            self._open(node, tag, attributes, style_here)
            return True
        return False

    def _open(self, node: LexborNode, tag: str, attributes: Mapping[str, str | None], style: Style) -> None:
        is_block = style.display not in _INLINES if style.display else tag in BLOCKS
        apart = is_block and tag in _APART and not (tag in _LISTS and self.lists)
        if is_block:
            self.lines[-1].block(apart)
        elif style.display in _INLINE_BLOCKS:
            self.lines[-1].blank()
        self.styles.append(style)
        begin = _BEGINS.get(tag) if is_block or tag != "li" else None
        self.opened.append(_Open(node, is_block, apart, begin(self, tag, attributes) if begin else None))

    def _leave(self) -> LexborNode:
        """Ends the innermost element, and gives it back."""
        node, is_block, apart, end = self.opened.pop()
        if end:
            end()
        if is_block:
            self.lines[-1].block(apart)
        elif self.styles[-1].display in _INLINE_BLOCKS:
            self.lines[-1].blank()
        self.styles.pop()
        return node

    def _words(self, text: str, space: str) -> None:
        link = self.links[-1] if self.links else None
        lines = self.lines[-1]
        if link is not None and not link.begun and text.strip(BLANKS):
            if link.lines is lines:
                text = lines.open_link(text, space)
                link.begun = True
            else:
                link.elsewhere = True
        lines.words(text, space)

    def _picture(self, attributes: Mapping[str, str | None], style: Style) -> None:
        """A picture is seen whatever the size of the text, and so are the words that stand for it (HTML 4.8.4.4)."""
        if not style.visible:
            return
        if self.links:
            self.links[-1].elsewhere = True
        self._words(attributes.get("alt") or "", "normal")

    # What begins with a tag. Each gives back what is to be done at its end.

    def _list(self, tag: str, attributes: Mapping[str, str | None]) -> _End:
        self.lists.append(_List(_number(attributes.get("start"), 1) if tag == "ol" else None))
        return self.lists.pop

    def _item(self, _tag: str, _attributes: Mapping[str, str | None]) -> _End:
        lines = self.lines[-1]
        around = lines.item(self.lists[-1].mark() if self.lists else "*")
        return lambda: lines.end_item(around)

    def _table(self, _tag: str, _attributes: Mapping[str, str | None]) -> _End:
        table, lines = Table(), self.lines[-1]
        self.tables.append(table)

        def end() -> None:
            self.tables.pop()
            table.into(lines)

        return end

    def _row(self, _tag: str, _attributes: Mapping[str, str | None]) -> None:
        if self.tables and self.tables[-1] is not None:
            self.tables[-1].rows.append([])

    def _cell(self, _tag: str, attributes: Mapping[str, str | None]) -> _End | None:
        table = self.tables[-1] if self.tables else None
        if table is None or not table.rows:  # in SVG anything may be called td
            return None
        self.tables.append(None)
        self.lines.append(TextLines(self.room))
        span = max(1, min(_number(attributes.get("colspan"), 1), _MAX_SPAN))

        def end() -> None:
            self.tables.pop()
            table.cell(self.lines.pop(), span)

        return end

    def _link(self, _tag: str, attributes: Mapping[str, str | None]) -> _End | None:
        address = (attributes.get("href") or "").strip(_TRIMMED).translate(_REMOVED)
        if not address or address.startswith("#"):  # it leads to another place of the same page
            return None
        link = _Link(address, self.lines[-1])
        self.links.append(link)
        return lambda: self._end_link(self.links.pop())

    def _end_link(self, link: _Link) -> None:
        if link.begun:
            link.lines.close_link(link.address, {link.address, *(link.address.removeprefix(way) for way in _TRUISMS)})
        elif link.elsewhere:
            link.lines.words(link.address, "normal")


_BEGINS: Mapping[str, Callable[[_Reader, str, Mapping[str, str | None]], _End | None]] = {
    **dict.fromkeys(_LISTS, _Reader._list),
    "li": _Reader._item,
    "table": _Reader._table,
    "tr": _Reader._row,
    **dict.fromkeys(("td", "th"), _Reader._cell),
    "a": _Reader._link,
}


def _number(text: str | None, default: int) -> int:
    """HTML 2.3.4.2, of numbers that make sense here."""
    found = _NUMBER.match(text or "")
    return int(found[1]) if found else default
