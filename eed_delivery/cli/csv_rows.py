"""The rows of a CSV file that people made, one at a time: a bad one is told with its line number, never guessed at."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be registered, and why."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


def rows(
    reader: "Reader", names: list[str], header: str, lines_before: int = 0
) -> Iterator[tuple[int, list[str]] | BadRow]:
    """Each row that is left in `reader`, with its line: as many cells as there are `names`.

    `header`: what the message about a row of another length calls the line that names the columns. `lines_before`: so
    many lines the reader has not seen.
    """
    while True:
        line = lines_before + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(line, f"this is not CSV: {error}")
            continue
        if not any(cell.strip() for cell in cells):
            continue  # spreadsheets leave such rows at the end
        if len(cells) != len(names):
            yield BadRow(line, f"it has {len(cells)} columns, and the {header} {len(names)}")
            continue
        yield line, cells
