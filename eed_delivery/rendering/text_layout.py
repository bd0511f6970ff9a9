"""Lines of text, with words put together, blocks apart from each other, lists with their marks, and tables in columns.

The work is linear in the text. A cell is padded by at most MAX_COLUMN characters, and the lines of a table within a
table are not copied. What is laid out is counted before it is joined (`Room`).
"""

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, Union

from eed_delivery.errors import RenderError

MAX_COLUMN = 40
"""A cell longer than this does not widen its column. One long cell and many rows would else be many blanks."""
_MAX_LINES = 4
_MAX_INDENT = 20
_MAX_COLUMNS = 1000  # the most that `colspan` may say: HTML 4.9.11
_GAP = "  "
BLANKS = " \t\n\f\r"
"""CSS Text 3, 4.1.1; a no-break space is none of them."""
_BLANKS = re.compile(f"[{BLANKS}]+")
_BLANKS_IN_A_LINE = re.compile(r"[ \t\f\r]+")

MAX_CHARS = 1_000_000
_WORK = 4  # a word is counted again in each table around it

_Rope = list[Union[str, "_Rope"]]
"""Lines, and lists of lines in their place."""


class Room:
    """How much text there may be. Raises RenderError when it is more."""

    __slots__ = ("_left", "_max_chars")

    def __init__(self, max_chars: int = MAX_CHARS) -> None:
        self._max_chars = max_chars
        self._left = _WORK * max_chars

    def take(self, chars: int) -> None:
        """Count characters that are laid out."""
        self._left -= chars
        if self._left < 0:
            self.refuse()

    def check(self, text: str) -> str:
        """`text`, all of it, if it is not too long."""
        if len(text) > self._max_chars:
            self.refuse()
        return text

    def refuse(self) -> NoReturn:
        """Raise `RenderError` for too much text."""
        limit = f"{self._max_chars:,} characters (rendering.max_output_chars)"
        raise RenderError(f"the text part made from the HTML is longer than {limit}; give the job a text template")


@dataclass(slots=True)
class TextLines:
    """Takes words and blocks in their order, and keeps the lines they make."""

    room: Room = field(default_factory=Room)
    kept: _Rope = field(default_factory=list)
    indent: str = ""
    mark: str = ""
    """A list item's, before its first word."""
    apart: bool = False
    """Whether it begins or ends with a block that stands apart, such as a paragraph."""
    _line: list[str] = field(default_factory=list)
    _space: bool = False
    _ended: int = 0  # 1: what comes next begins a line; 2: with a blank line before it

    def words(self, text: str, space: str) -> None:
        """Add text in which white space is treated as `space` says (visibility.Style)."""
        if space == "normal":
            self._in_line(text, _BLANKS)
            return
        for number, line in enumerate(text.split("\n")):
            if number:
                self.end_line()
            if space == "pre":
                self.add(line)
            else:
                self._in_line(line, _BLANKS_IN_A_LINE)

    def _in_line(self, text: str, blanks: re.Pattern[str]) -> None:
        joined = blanks.sub(" ", text)
        self._space = self._space or joined.startswith(" ")
        words = joined.strip(" ")
        if words:
            self.add(words)
            self._space = joined.endswith(" ")

    def open_link(self, text: str, space: str) -> str:
        """Begin a link before the words of `text`. What is given back is to be added then."""
        words = text.lstrip(BLANKS) if space == "normal" else text
        self._space = self._space or words != text
        self.add("[")
        return words

    def close_link(self, address: str, same: Container[str]) -> None:
        """End a link, with its address after its words, or nothing more where these are one of `same`."""
        if len(self._line) > 1 and self._line[-2] == "[" and self._line[-1] in same:
            del self._line[-2]
            return
        self.room.take(len(address) + 3)
        last = len(self.kept) - 1
        while last > 0 and self.kept[last] == "":
            last -= 1
        before = self.kept[last] if self.kept else ""
        if self._line or not before or not isinstance(before, str):
            self._line.append(f"]({address})")
        else:  # a <br> has ended the line
            self.kept[last] = f"{before}]({address})"

    def add(self, text: str) -> None:
        """Add text unchanged, after the blank or the line's end that is due."""
        if not text:
            return
        self.room.take(len(text))
        if self._ended:
            self._end()
        if self._space and self._line:
            self._line.append(" ")
        self._space = False
        self._line.append(text)

    def blank(self) -> None:
        """A blank is due before the next word."""
        self._space = True

    def block(self, apart: bool = False) -> None:
        """What comes next begins a line, and if `apart` with a blank line before it."""
        if apart and not self._line and not self.kept:
            self.apart = True
        self._ended = max(self._ended, 2 if apart else 1)

    def end_line(self) -> None:
        """A line ends here, even if there is nothing in it."""
        if self._ended:
            self._end()
        self._keep()

    def _end(self) -> None:
        if self._line:
            self._keep()
        if self._ended == 2 and self.kept and self.kept[-1] != "":
            self.kept.append("")
        self._ended, self._space = 0, False

    def _keep(self) -> None:
        line = "".join(self._line).rstrip()
        if line:
            line = (self.mark or self.indent) + line
            self.room.take(len(self.indent))
            self.mark = ""
        self.kept.append(line)
        self._line, self._space = [], False

    def item(self, mark: str) -> str:
        """Begin a list's item. What is given back ends it."""
        before = self.indent
        self.block()
        if self._line:
            self._end()
        self.mark = f"{before}{mark} "
        self.indent = " " * min(len(self.mark), _MAX_INDENT)
        return before

    def end_item(self, indent: str) -> None:
        """End what `item` began."""
        self.block()
        if self._line:
            self._end()
        self.mark, self.indent = "", indent

    def place(self, block: "TextLines") -> None:
        """Put the lines of another one here."""
        if self._line or self._ended:
            self._ended = self._ended or 1
            self._end()
        if len(block.kept) == 1 and isinstance(block.kept[0], str):
            self._line = [block.kept[0]]
            self._keep()
        elif block.kept:
            if self.mark:
                self.kept.append(self.mark.rstrip())
                self.mark = ""
            self.kept.append(block.kept)
        self._ended = 1

    def finish(self) -> "TextLines":
        """Ends the last line. Blank ones at both ends are taken off."""
        self.apart = self.apart or self._ended == 2
        if self._line:
            self._keep()
        begin, end = 0, len(self.kept)
        while begin < end and _is_blank(self.kept[begin]):
            begin += 1
        while end > begin and _is_blank(self.kept[end - 1]):
            end -= 1
        self.kept = self.kept[begin:end]
        return self

    def in_column(self) -> list[str] | None:
        """The lines, if they may stand beside those of other cells. That is any one line, or a few short ones."""
        lines = [part for part in self.kept if isinstance(part, str)]
        if len(lines) < len(self.kept):
            return None
        short = not self.apart and len(lines) <= _MAX_LINES and all(len(line) <= MAX_COLUMN for line in lines)
        return lines if short or len(lines) <= 1 else None

    def text(self) -> str:
        """All lines. Of more than two blank ones in a row two are left."""
        found: list[str] = []
        blank = 0
        for line in _flat(self.kept):
            blank = 0 if line else blank + 1
            if blank <= 2:
                found.append(line)
        return self.room.check("\n".join(found))


def _is_blank(part: Union[str, "_Rope"]) -> bool:
    return isinstance(part, str) and not part.strip()


def _flat(rope: _Rope) -> Iterator[str]:
    stack = [iter(rope)]
    while stack:
        for part in stack[-1]:
            if isinstance(part, str):
                yield part
            else:
                stack.append(iter(part))
                break
        else:
            stack.pop()


class TableCell(NamedTuple):
    """A cell that is finished. It has its content, the same as lines of a column or None, and the number of columns it
    spans."""

    lines: TextLines
    column: list[str] | None
    span: int


@dataclass(slots=True)
class Table:
    """Rows of cells, as they come."""

    rows: list[list[TableCell]] = field(default_factory=list)

    def cell(self, lines: TextLines, span: int) -> None:
        """Put a cell into the last row."""
        lines.finish()
        self.rows[-1].append(TableCell(lines, lines.in_column(), span))

    def into(self, lines: TextLines) -> None:
        """Lay the table out.

        In a row whose cells all fit into columns they stand side by side. In any other row they come one after the
        other, because these are pages laid out by tables.
        """
        widths = self._widths()
        lines.block()
        for row in self.rows:
            full = [cell.lines for cell in row if cell.lines.kept]
            if len(full) > 1 and all(cell.column is not None for cell in row):
                for line in _side_by_side(row, widths):
                    lines.block()
                    lines.add(line)
                continue
            for cell in full:
                apart = cell.apart or len(cell.kept) > 1
                lines.block(apart)
                lines.place(cell)
                lines.block(apart)

    def _widths(self) -> Sequence[int]:
        """The width of each column, that of its longest line which is neither too long nor over several columns."""
        widths: list[int] = []
        for row in self.rows:
            for at, cell in _places(row):
                widths += [0] * (at + 1 - len(widths))
                if cell.column and cell.span == 1:
                    longest = max(map(len, cell.column))
                    widths[at] = max(widths[at], longest) if longest <= MAX_COLUMN else widths[at]
        return widths


def _places(row: Sequence[TableCell]) -> Iterator[tuple[int, TableCell]]:
    """Each cell, and at which column it begins."""
    at = 0
    for cell in row:
        yield min(at, _MAX_COLUMNS), cell
        at += cell.span


def _side_by_side(row: Sequence[TableCell], widths: Sequence[int]) -> Iterator[str]:
    cells = [(cell.column or [], _width(widths[at : at + cell.span])) for at, cell in _places(row)]
    for number in range(max(len(column) for column, _ in cells)):
        pieces = [(column[number] if number < len(column) else "").ljust(width) for column, width in cells]
        yield _GAP.join(pieces).rstrip()


def _width(over: Sequence[int]) -> int:
    """Of a cell over these columns. Over very many it is not padded to the end of the last one."""
    return min(sum(over) + len(_GAP) * (len(over) - 1), 2 * MAX_COLUMN)
