"""The rows of a CSV file that people made, one at a time. Each is what they see in its line, or it is refused.

The form is RFC 4180, with other separators too. The `csv` module reads it, strictly. Two things that it lets pass are
refused here. One is a quote within a cell that is not quoted (RFC 4180, section 2.5). The other, unless it is asked
for, is a cell over several lines. A stray quote makes such a cell out of other customers' rows.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from eed_delivery.operations.text_files.lines import UNSEEN, BadRow, FileLines

SEPARATORS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r'"?sep=([^\w"\r\n])"?[\r\n]*', re.IGNORECASE)
"""A first line for Excel alone, which says what is between the columns."""
_HINTS = {
    "unexpected end of data": "The quote that opens a cell is not closed up to the end of the file.",
    "not closed within": "Take it out, or close it.",
    "expected after": "Write a quote within a cell twice, or take it out.",
    "field larger than": "Is a quote missing?",
}
"""What to do about an error of the `csv` module or of `FileLines`, by some of its words."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a CSV file is read.

    `separator` None means as its header shows. `multiline` means that cells may hold line ends. `controls` means that
    they may hold characters that cannot be seen."""

    separator: str | None = None
    multiline: bool = False
    controls: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns. `key` is which of them holds the address. `what` is what messages call the line."""

    names: tuple[str, ...]
    separator: str
    key: int
    what: str


@dataclass(frozen=True, slots=True)
class CsvRow:
    """As many cells as the header has names. `line` is the row's first one."""

    line: int
    cells: list[str]


def first_line(lines: FileLines) -> tuple[str, str | None]:
    """The first line that is not blank, and the separator of Excel's `sep=` line before it."""
    separator = None
    while True:
        lines.begin()
        line = next(lines, "")
        found = _SEP_LINE.fullmatch(line) if separator is None else None
        if found:
            separator = found[1]
            lines.is_header()
        elif line and not line.strip(UNSEEN) and not lines.too_long:
            lines.is_blank()
        else:
            return line, separator


def find_header(line: str, key: str, known: tuple[str, ...], what: str, separator: str | None) -> Header | None:
    """The header that `line` is, if it names the column `key`.

    Without `separator` it is the one with which it does. Names in `known` count in any case. White space and marks
    (BOM) around a name are no part of it.
    """
    for each in (separator,) if separator else SEPARATORS:
        names = _names(line, each, known)
        if key in names:
            return Header(tuple(names), each, names.index(key), what)
    return None


def _names(line: str, separator: str, known: tuple[str, ...]) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return []
    names = [cell.strip().strip(UNSEEN) for cell in cells]
    return [name.lower() if name.lower() in known else name for name in names]


def repeated(names: tuple[str, ...]) -> str | None:
    """What is wrong with names that are there twice, or differ in case only. None if there are none."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.casefold(), name)
        if names.count(name) > 1:
            return f"{name!r} twice"
        if other != name:
            return f"{other!r} and {name!r}, which differ in case only"
    return None


def rows(lines: FileLines, header: Header, form: Form) -> Iterator[CsvRow | BadRow]:
    """Each row that is left in `lines`. The blank ones are only counted there."""
    lines.separator = header.separator if len(header.names) > 1 else ""
    reader = csv.reader(lines, delimiter=header.separator, strict=True)
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(lines.first, _not_csv(str(error), lines, form))
            continue
        if len(lines.row) == 1 and not lines.too_long and not any(cell and cell.strip(UNSEEN) for cell in cells):
            lines.is_blank()  # spreadsheets leave such rows at the end
            continue
        problem = _problem(lines, cells, header, form)
        yield BadRow(lines.first, problem) if problem else CsvRow(lines.first, cells)


def _not_csv(error: str, lines: FileLines, form: Form) -> str:
    flaw = lines.flaw(controls=not form.controls)
    if flaw:
        return flaw
    reach = f" (lines {lines.first:,} to {lines.read:,})" if lines.read > lines.first else ""
    hint = next((f". {hint}" for words, hint in _HINTS.items() if words in error), "")
    return f"this is not CSV: {error}{reach}{hint}"


def _problem(lines: FileLines, cells: list[str], header: Header, form: Form) -> str | None:
    """What is wrong with a row that the `csv` module has read. None if nothing is."""
    flaw = lines.flaw(controls=not form.controls)
    if flaw:
        return flaw
    text = lines.text
    if text.startswith("#"):
        return "it begins with #, but comments are not allowed. Remove the line, or put the cell in quotes"
    if len(lines.row) > 1 and (problem := _reaching(lines, header, form)):
        return problem
    if '"' in text and not _rfc4180(header.separator).fullmatch(text):
        return (
            "there is a quote in a cell that is not quoted. Put the whole cell in quotes, and write its own ones twice"
        )
    if len(cells) != len(header.names):
        return f"it has {len(cells)} columns, and the {header.what} {len(header.names)}"
    return None


def _reaching(lines: FileLines, header: Header, form: Form) -> str | None:
    """What is wrong with a row over several lines."""
    words = f"a cell reaches over lines {lines.first:,} to {lines.read:,}"
    if not form.multiline:
        return f"{words}: a quote is missing or too many. If it is meant, add --multiline"
    swallowed = [lines.first + n for n, line in enumerate(lines.row) if n and _is_row(line, header)]
    if swallowed:
        return f"{words}, and line {swallowed[0]:,} would be a row of its own, so a quote is missing or too many"
    return None


def _is_row(line: str, header: Header) -> bool:
    """Whether a line within a cell looks like a row, with as many cells, and an address where it should be."""
    cells = line.rstrip("\r\n").split(header.separator)
    return len(cells) == len(header.names) and "@" in cells[header.key]


@lru_cache
def _rfc4180(separator: str) -> re.Pattern[str]:
    """A record as RFC 4180, section 2, has it. Its fields are quoted, with their quotes doubled, or have no quotes."""
    between = re.escape(separator)
    field = rf'(?:"(?>(?:[^"]|"")*)"|[^"\r\n{between}]*+)'
    return re.compile(rf"{field}(?>(?:{between}{field})*)[\r\n]*")
