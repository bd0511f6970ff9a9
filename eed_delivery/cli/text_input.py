"""A file of text, or stdin: read a line at a time, with what is no text marked and not guessed at."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from eed_delivery.errors import NotPossible


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """`path` as text, - for stdin. Bytes that are not UTF-8 come through marked (surrogateescape), so that their row
    can be named; a mark at the start (BOM) is taken away. Raises `NotPossible`."""
    if str(path) == "-":
        yield io.TextIOWrapper(sys.stdin.buffer, "utf-8-sig", errors="surrogateescape", newline="")
        return
    try:
        with path.open("r", encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            yield stream
    except OSError as error:
        raise NotPossible(f"{path}: {error.strerror}") from error
