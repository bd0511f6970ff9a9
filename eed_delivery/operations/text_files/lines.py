"""The lines of a text file, as an editor numbers them. Each is counted, and what becomes of it."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from eed_delivery.errors import NotPossible
from eed_delivery.operations.text_files.reading import TextFile

MAX_LINE = 2**22
"""Characters. A longer line is refused and never held in memory."""
MAX_ROW_LINES = 1000
UNSEEN = " \t\r\n\v\f\x00\x1a\xa0\u200b\u3000\ufeff"
"""What may fill a line that looks blank: white space, the NULs and the ^Z that mainframes and DOS end files with, and
marks (BOM) of files that were joined."""
_NO_TEXT = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
"""C0 and C1 controls but tab and line ends, and the line separators of Unicode. None can be seen. U+0085 is the line
end of EBCDIC."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be registered, and why. `line` is its first one."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class Sums:
    """What became of each line of a file. `refused` are all lines of refused rows. `continuing` are the lines of the
    other rows after their first. Raises RuntimeError if a line is in none of the counts, or in two."""

    lines: int
    header: int
    rows: int
    refused: int
    blank: int
    continuing: int

    def __post_init__(self) -> None:
        if self.lines != self.header + self.rows + self.refused + self.blank + self.continuing:
            raise RuntimeError(f"the lines read do not add up: {self!r}")

    def told(self, read_as: str, rows: str) -> str:
        """The equation, for people. `rows` is what has become of the rows that are not refused."""
        parts = [f"{self.header:,} header"] if self.header else []
        parts += [f"{self.rows:,} {rows}", f"{self.refused:,} refused"]
        parts += [f"{self.blank:,} blank"] if self.blank else []
        parts += [f"{self.continuing:,} continuing a row"] if self.continuing else []
        return f"{self.lines:,} {'line' if self.lines == 1 else 'lines'} read ({read_as}) = {' + '.join(parts)}"


class FileLines:
    """The lines of `file`, with their ends.

    `begin` says that the next line begins a row. One of `is_header`, `is_blank`, `accept` and `refuse` says what became
    of the row, and counts its lines.
    """

    def __init__(self, file: TextFile) -> None:
        self._stream = file.stream
        self._encoding = file.label
        self.read = 0
        self._header = 0
        self.header_text = ""
        self._rows = self._refused = self._blank = self._continuing = 0
        self._hint: str | None = None
        self.separator = ""
        """What is between the columns, once that is known."""
        self.row: list[str] = []
        """The lines of the present row."""
        self.too_long = False
        """Whether one of them was longer than `MAX_LINE`."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """The next line. Raises `csv.Error` when the present row has too many, because a quote in it is not closed."""
        if len(self.row) >= MAX_ROW_LINES:
            raise csv.Error(f"a quote is not closed within {MAX_ROW_LINES:,} lines")
        line = self._next()
        if not line:
            raise StopIteration
        self.read += 1
        self.row.append(line)
        return line

    def begin(self) -> None:
        """A row begins with the next line."""
        self.row = []
        self.too_long = False

    @property
    def first(self) -> int:
        """The number of the present row's first line."""
        return self.read - len(self.row) + 1

    @property
    def text(self) -> str:
        """The present row as it stands in the file."""
        return "".join(self.row)

    def is_header(self) -> None:
        """The present row names the columns, or is a line for Excel before that."""
        self._header += len(self.row)
        self.header_text += self.text

    def is_blank(self) -> None:
        """The present row has nothing in it."""
        self._blank += len(self.row)

    def accept(self) -> None:
        """The present row is good."""
        self._rows += 1
        self._continuing += len(self.row) - 1

    def refuse(self) -> None:
        """The present row is not good, and neither is any line of it."""
        self._refused += len(self.row)

    def flaw(self, *, controls: bool) -> str | None:
        """What keeps the present row from being what a person sees in it. None if nothing does.

        `controls` says whether control characters do.
        """
        text = self.text
        if self.too_long:
            return f"it is longer than {MAX_LINE:,} characters"
        if text.count("\0") * 3 > len(text):  # every other one in UTF-16
            which = "be" if text.startswith("\0") else "le"
            self._hint = f"If the file is UTF-16 without its mark (BOM), add --encoding utf-16-{which}."
        if not text.isascii() and _NO_TEXT.search(text):
            other = "" if self._encoding == "cp1252" else ", like --encoding cp1252"
            self._hint = f"The file is not {self._encoding}. Save it in UTF-8, or name its encoding{other}"
            return f"it is not {self._encoding} text"
        found = _CONTROL.search(text) if controls else None
        return f"it holds U+{ord(found[0]):04X}, a character that cannot be seen" if found else None

    def sums(self) -> Sums:
        """What has become of all lines."""
        return Sums(self.read, self._header, self._rows, self._refused, self._blank, self._continuing)

    @property
    def read_as(self) -> str:
        """How the file was understood."""
        between = f", columns separated by {self.separator!r}" if self.separator else ""
        return self._encoding + between

    @property
    def hint(self) -> str | None:
        """What to do about a file that looks as if it were in another encoding."""
        return self._hint

    def _next(self) -> str:
        try:
            line = piece = self._stream.readline(MAX_LINE)
            while len(piece) == MAX_LINE and not piece.endswith("\n"):
                self.too_long = True
                line = "\n"
                piece = self._stream.readline(MAX_LINE)
        except UnicodeError as error:
            raise NotPossible(f"line {self.read + 1}: this is not {self._encoding} text ({error})") from error
        return line
