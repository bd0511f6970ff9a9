"""Tables within a width. What is copied out of them (keys, ids, addresses, times, numbers) is never wrapped or cut.

Columns of prose give way first, and wrap at words. Then columns are left out, those without a value and those that the
command can spare, in its order. Where that is not enough, each row becomes a block of lines, with everything in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

GAP = 2
LEAST_PROSE = 20
"""Cells that a column of prose needs to be read."""


@dataclass(frozen=True, slots=True)
class PlacedCell:
    """A piece of a line, `width` cells wide. `value` is what the table was given, for its colour."""

    text: str
    width: int
    value: str
    to_the_right: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """`columns` are the numbers of those that are shown, and `widths` their widths.

    `left_out` are the numbers of the others. Without `widths` a row is a block."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]
    left_out: tuple[int, ...] = ()

    @property
    def in_blocks(self) -> bool:
        return not self.widths


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table to lay out. It has the columns' names and the rows' texts in one line each. It also has the numbers of
    the columns that are prose, that can be spared (in the order in which they go), and that are numbers."""

    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: frozenset[int] = frozenset()
    spare: Sequence[int] = ()
    right: frozenset[int] = frozenset()

    def unbounded(self) -> Layout:
        """The table at its full width, for a pipe, where a row is a line."""
        columns = tuple(range(len(self.names)))
        return Layout(columns, tuple(map(self._natural, columns)))

    def within(self, width: int) -> Layout:
        """The layout for a terminal of `width` cells."""
        natural = [self._natural(n) for n in range(len(self.names))]
        shown, left_out = list(range(len(self.names))), list[int]()
        for leaving in (None, *self._without_a_value(), *self.spare):
            if leaving in shown:
                shown.remove(leaving)
                left_out.append(leaving)
            if widths := self._fitting(shown, natural, width):
                return Layout(tuple(shown), widths, tuple(n for n in left_out if any(row[n] for row in self.rows)))
        return Layout(tuple(range(len(self.names))), ())

    def lines(self, layout: Layout) -> Iterator[list[PlacedCell]]:
        """The table's lines, its header first."""
        yield [
            PlacedCell(self.names[n], w, "", n in self.right)
            for n, w in zip(layout.columns, layout.widths, strict=True)
        ]
        for row in self.rows:
            parts = [self._folded(row[n], n, w) for n, w in zip(layout.columns, layout.widths, strict=True)]
            for line in range(max(map(len, parts))):
                yield [
                    PlacedCell(part[line] if line < len(part) else "", w, row[n], n in self.right)
                    for n, w, part in zip(layout.columns, layout.widths, parts, strict=True)
                ]

    def blocks(self, width: int) -> Iterator[list[list[PlacedCell]]]:
        """The lines of each row, one or more for each column that has a value."""
        indent = max(map(cell_len, self.names)) + 1 + GAP
        for row in self.rows:
            block = []
            for n, (name, text) in enumerate(zip(self.names, row, strict=True)):
                parts = wrapped(text, max(width - indent, LEAST_PROSE)) if n in self.prose else [text]
                heads = [f"{name}:", *[""] * (len(parts) - 1)]
                if text:
                    block += [
                        [PlacedCell(h, indent - GAP, ""), PlacedCell(p, 0, row[n])]
                        for h, p in zip(heads, parts, strict=True)
                    ]
            yield block

    def _natural(self, n: int) -> int:
        return max(cell_len(text) for text in (self.names[n], *(row[n] for row in self.rows)))

    def _without_a_value(self) -> list[int]:
        return [n for n in range(len(self.names)) if self.rows and not any(row[n] for row in self.rows)]

    def _fitting(self, shown: Sequence[int], natural: Sequence[int], width: int) -> tuple[int, ...]:
        """The widths of these columns. () where they do not fit."""
        room = width - GAP * (len(shown) - 1) - sum(natural[n] for n in shown if n not in self.prose)
        widths = dict(enumerate(natural))
        prose = sorted((n for n in shown if n in self.prose), key=lambda n: natural[n])
        for left, n in zip(range(len(prose), 0, -1), prose, strict=True):  # the shorter ones first: they leave more
            least = max(min(natural[n], LEAST_PROSE), cell_len(self.names[n]))
            widths[n] = min(natural[n], max(room // left, least))
            room -= widths[n]
        return tuple(widths[n] for n in shown) if room >= 0 else ()

    def _folded(self, text: str, n: int, width: int) -> list[str]:
        return wrapped(text, width, chop=True) if n in self.prose else [text]


def wrapped(text: str, width: int, *, chop: bool = False) -> list[str]:
    """`text` in lines of at most `width` cells, broken at blanks. A longer word has a line of its own, or with `chop`
    several, as scripts without blanks need it."""
    lines = [""]
    for word in text.split(" "):
        grown = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(grown) <= width or not lines[-1]:
            lines[-1] = grown
        else:
            lines.append(word)
        if chop and cell_len(lines[-1]) > width:
            lines[-1:] = chop_cells(lines[-1], width)
    return lines
