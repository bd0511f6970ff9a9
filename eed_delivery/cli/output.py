"""Answers on stdout: coloured tables at a terminal, plain aligned text elsewhere, JSON when asked for."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eed_delivery.untrusted import inert, visible

STYLES: Mapping[str, str] = {
    "ok": "green",
    "sent": "green",
    "finished": "green",
    "active": "cyan",
    "sending": "cyan",
    "warning": "yellow",
    "paused": "yellow",
    "in_doubt": "bold yellow",
    "error": "bold red",
    "failed": "red",
    "permanent": "red",
    "delivered": "green",
    "soft_bounced": "yellow",
    "hard_bounced": "red",
    "complained": "red",
}


@dataclass(frozen=True)
class Screen:
    """Where a command's answer goes. `terminal` says whether a person looks at it."""

    console: Console
    terminal: bool

    @classmethod
    def stdout(cls) -> "Screen":
        """This process's stdout."""
        return cls(Console(highlight=False, markup=False, emoji=False), sys.stdout.isatty())

    @property
    def file(self) -> TextIO:
        """For what is written as it comes."""
        return self.console.file  # type: ignore[return-value]  # rich says IO[str]

    def line(self, text: str = "", style: str = "") -> None:
        """One line of text."""
        if self.terminal:
            self.console.print(Text(visible(text), style=style), soft_wrap=True)
        else:
            self._write(visible(text))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table. Whole numbers stand to the right."""
        cells = [[_cell(value) for value in row] for row in rows]
        right = _numeric(len(columns), cells)
        if self.terminal:
            self.console.print(_rich(columns, cells, right))
            return
        widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
        for row in ([name.upper() for name in columns], *cells):
            placed = [_placed(text, width, n in right) for n, (text, width) in enumerate(zip(row, widths, strict=True))]
            self._write("  ".join(placed).rstrip())

    def json(self, data: object, *, indent: int | None = 2) -> None:
        """One JSON value; with `indent` None, in one line."""
        self._write(as_json(data, indent=indent))

    def json_array(self, items: Iterable[object]) -> None:
        """A JSON array, one item a line, written as the items come."""
        start = "[\n"
        for item in items:
            self.file.write(start + as_json(item, indent=None))
            start = ",\n"
        self._write("[]" if start == "[\n" else "\n]")

    def csv(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """CSV (RFC 4180), written as the rows come. A cell that a spreadsheet would run gets a ' before it."""
        writer = csv.writer(self.file)
        writer.writerow(columns)
        writer.writerows([_csv_cell(value) for value in row] for row in rows)

    def _write(self, text: str) -> None:
        self.file.write(text + "\n")
        self.file.flush()


def when(moment: datetime | None, timespec: str = "seconds") -> str:
    """A UTC time of the ledger, with a Z; "" for none."""
    return "" if moment is None else moment.isoformat(timespec=timespec) + "Z"


def as_json(data: object, *, indent: int | None) -> str:
    """JSON in which times are UTC with a Z, and dataclasses are objects."""
    return json.dumps(data, indent=indent, ensure_ascii=sys.stdout.encoding.lower() != "utf-8", default=_plain)


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


def _placed(text: str, width: int, right: bool) -> str:
    gap = " " * (width - cell_len(text))
    return gap + text if right else text + gap


def _rich(columns: Sequence[str], cells: Sequence[Sequence[str]], right: frozenset[int]) -> Table:
    table = Table(header_style="bold")
    for n, name in enumerate(columns):
        table.add_column(name, justify="right" if n in right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in row))
    return table
