"""Answers on stdout, as tables within a terminal's width, plain aligned text elsewhere, or JSON when asked for."""

import csv
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

import click
from rich.cells import cell_len

from eed_delivery.cli.layout import GAP, LEAST_PROSE, PlacedCell, Sheet, wrapped
from eed_delivery.config.environment import wants_colours
from eed_delivery.reports.moments import when
from eed_delivery.untrusted import inert, json_text, visible

if TYPE_CHECKING:
    from rich.console import Console

Style = Mapping[str, Any]
"""Arguments of `click.style`."""
BOLD: Style = {"bold": True}
DIM: Style = {"dim": True}
_STYLED: Sequence[tuple[Style, Sequence[str]]] = (
    ({"fg": "green"}, ("ok", "sent", "delivered")),
    ({"fg": "cyan"}, ("active", "sending")),
    ({"fg": "yellow"}, ("warning", "paused", "soft_bounced")),
    ({"fg": "yellow", "bold": True}, ("in_doubt",)),
    ({"fg": "red"}, ("failed", "permanent", "hard_bounced", "complained")),
    ({"fg": "red", "bold": True}, ("error",)),
)
STYLES: Mapping[str, Style] = {word: style for style, words in _STYLED for word in words}
"""Of a table's cells."""


@dataclass
class Screen:
    """Where a command's output goes. `terminal` is whether stdout is a terminal, and `width` its width in cells."""

    file: TextIO
    terminal: bool
    width: int = 80
    coloured: bool = True

    @classmethod
    def stdout(cls) -> "Screen":
        """This process's stdout. COLUMNS may say how wide it is."""
        return cls(sys.stdout, sys.stdout.isatty(), shutil.get_terminal_size().columns, wants_colours())

    @cached_property
    def console(self) -> "Console":
        """For what moves at a terminal."""
        from rich.console import Console  # a progress bar alone needs it

        return Console(
            file=self.file, force_terminal=self.terminal, width=self.width, highlight=False, markup=False, emoji=False
        )

    def line(self, text: str = "", style: Style | None = None) -> None:
        """One line of text."""
        self._write(self._styled(visible(text), style))

    def prose(self, text: str, prefix: str = "", style: Style | None = None) -> None:
        """Text behind `prefix`. At a terminal it wraps at words, and stays behind it."""
        line = visible(text).replace("\n", " ")
        parts = wrapped(line, max(self.width - cell_len(prefix), LEAST_PROSE)) if self.terminal else [line]
        for n, part in enumerate(parts):
            self._write((" " * cell_len(prefix) if n else visible(prefix)) + self._styled(part, style))

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        prose: Sequence[str] = (),
        spare: Sequence[str] = (),
    ) -> None:
        """A table. Whole numbers stand to the right. For what is too wide for a terminal see `layout`.

        `prose` are the columns that may wrap, `spare` those that may be left out, the first of them first.
        """
        cells = [[_cell(value) for value in row] for row in rows]
        numbers = {name: n for n, name in enumerate(columns)}
        sheet = Sheet(
            columns if self.terminal else [name.upper() for name in columns],
            cells,
            frozenset(numbers[name] for name in prose),
            [numbers[name] for name in spare],
            _numeric(len(columns), cells),
        )
        if self.terminal:
            self._fit(sheet)
        else:
            self._write_lines(sheet.lines(sheet.unbounded()))

    def _fit(self, sheet: Sheet) -> None:
        layout = sheet.within(self.width)
        if layout.in_blocks:
            for n, block in enumerate(sheet.blocks(self.width)):
                if n:
                    self._write("")
                self._write_lines(block, header=False)
            return
        self._write_lines(sheet.lines(layout))
        if layout.left_out:
            names = ", ".join(sheet.names[n] for n in layout.left_out)
            self.prose(f"no room for {names}. A wider terminal, a pipe or --json shows them.", style=DIM)

    def _write_lines(self, lines: Iterable[Sequence[PlacedCell]], *, header: bool = True) -> None:
        for cells in lines:
            placed = [self._placed(cell, BOLD if header else STYLES.get(cell.value)) for cell in cells]
            self._write((" " * GAP).join(placed).rstrip())
            header = False

    def _placed(self, cell: PlacedCell, style: Style | None) -> str:
        gap = " " * (cell.width - cell_len(cell.text))
        text = self._styled(cell.text, style)
        return gap + text if cell.to_the_right else text + gap

    def _styled(self, text: str, style: Style | None) -> str:
        plain = not (self.terminal and self.coloured) or not text or style is None
        return text if plain else click.style(text, **(style or {}))

    def json(self, data: object, *, indent: int | None = 2) -> None:
        """One JSON value. With `indent` None, in one line."""
        self._write(as_json(data, indent=indent))

    def json_array(self, items: Iterable[object]) -> None:
        """A JSON array, one item a line, written as the items come."""
        start = "[\n"
        for item in items:
            self.file.write(start + as_json(item, indent=None))
            start = ",\n"
        self._write("[]" if start == "[\n" else "\n]")

    def json_lines(self, items: Iterable[object]) -> None:
        """A JSON object a line, written as the items come."""
        for item in items:
            self._write(as_json(item, indent=None))

    def json_object(self, head: Mapping[str, object], name: str, items: Iterable[object]) -> None:
        """A JSON object: `head`, and an array `name` behind it, one item a line, written as the items come."""
        self.file.write(as_json(head, indent=None)[:-1] + f', "{name}": [')
        separator = "\n"
        for item in items:
            self.file.write(separator + as_json(item, indent=None))
            separator = ",\n"
        self._write("]}" if separator == "\n" else "\n]}")

    def csv(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """CSV (RFC 4180), written as the rows come. A cell that a spreadsheet would run gets a ' before it."""
        writer = csv.writer(self.file)
        writer.writerow(columns)
        writer.writerows([_csv_cell(value) for value in row] for row in rows)

    def _write(self, text: str) -> None:
        self.file.write(text + "\n")
        self.file.flush()


def ago(seconds: float) -> str:
    """How long ago something was, in its largest unit: "4 s ago", "12 min ago", "3 h ago"."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds / size):,} {unit} ago"
    return f"{int(max(0.0, seconds)):,} s ago"


def as_json(data: object, *, indent: int | None) -> str:
    """JSON in which times are UTC with a Z, and dataclasses are objects."""
    return json_text(data, indent=indent, ascii_only=sys.stdout.encoding.lower() != "utf-8", default=_plain)


def record(item: Any) -> dict[str, Any]:
    """A dataclass's fields, one level deep."""
    return {field.name: getattr(item, field.name) for field in fields(item)}


def _plain(value: object) -> object:
    return when(value, "milliseconds") if isinstance(value, datetime) else record(value)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else visible(str(value)).replace("\n", " ")


def _csv_cell(value: object) -> str:
    return inert(when(value, "milliseconds") if isinstance(value, datetime) else "" if value is None else str(value))


def _numeric(count: int, cells: Sequence[Sequence[str]]) -> frozenset[int]:
    def is_number(text: str) -> bool:
        return text.replace(",", "").replace(".", "").isdecimal()

    return frozenset(n for n in range(count) if cells and all(is_number(row[n]) for row in cells))
