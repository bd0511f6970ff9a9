"""The rows of a file that are refused. They are named on stderr, and kept in a file where that is asked for."""

import io
from pathlib import Path
from types import TracebackType
from typing import TextIO

import click

from eed_delivery.errors import NotPossible
from eed_delivery.operations.text_files.lines import BadRow, FileLines
from eed_delivery.operations.text_files.reading import TextFile
from eed_delivery.private_files import create_private


class RefusedRows:
    """Names up to `limit` rows, and counts all. With `path` they are written there as they stand in `file`, below its
    header. That file can be mended and read again. Raises `NotPossible` if it is there already, or cannot be made."""

    def __init__(self, file: TextFile, path: Path | None, limit: int) -> None:
        self.count = 0
        self._limit = limit
        self._path = path
        self._out = _opened(file, path) if path else None

    def __enter__(self) -> "RefusedRows":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._out:
            self._out.close()

    def add(self, row: BadRow, lines: FileLines) -> None:
        """Name `row`, which is the present one of `lines`."""
        self.count += 1
        if self.count <= self._limit:
            click.echo(str(row), err=True)
        if self._out:
            if self.count == 1:
                self._out.write(lines.header_text)
            self._out.write(lines.text)

    @property
    def not_named(self) -> str | None:
        """A sentence about those that were not named."""
        return f"and {self.count - self._limit:,} more" if self.count > self._limit else None


def _opened(file: TextFile, path: Path) -> TextIO:
    """It holds recipients' data, so it is for the user alone, and never over another file."""
    try:
        created = create_private(path)
    except FileExistsError:
        raise NotPossible(f"{path}: this file exists already, and is not overwritten") from None
    except OSError as error:
        raise NotPossible(f"{path}: {error.strerror}") from error
    out = io.TextIOWrapper(created, encoding=file.encoding, errors=file.errors, newline="")
    if file.marked:
        out.write("\ufeff")
    return out
