"""A file that the command line names, or stdin, as text."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from eed_delivery.errors import NotPossible
from eed_delivery.operations.text_files.reading import TextFile, read_text


@contextmanager
def opened_text(path: Path, encoding: str | None = None) -> Iterator[TextFile]:
    """`path` as text, - for stdin. Without `encoding` it is the one of the file's mark, else UTF-8. Raises
    `NotPossible`."""
    if str(path) == "-":
        yield read_text(cast(io.BufferedReader, sys.stdin.buffer), "stdin", encoding)
        return
    try:
        with path.open("rb") as file:
            yield read_text(file, str(path), encoding)
    except OSError as error:
        raise NotPossible(f"{path}: {error.strerror}") from error
