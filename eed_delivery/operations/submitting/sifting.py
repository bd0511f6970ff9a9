"""The recipients that `submit` registers. Every row of the file is checked before the first one is written."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import IO

from eed_delivery.errors import RenderError
from eed_delivery.model import AttachmentRef
from eed_delivery.operations.refusals import OperationRefused
from eed_delivery.operations.submitting.recipients import Kind, Recipient, read_recipients
from eed_delivery.operations.submitting.repeated import RepeatedRecipients
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.lines import BadRow, FileLines, Sums
from eed_delivery.operations.text_files.reading import TextFile
from eed_delivery.rendering import addresses

CHUNK = 500

Record = Callable[[AttachmentRef], AttachmentRef]
RefuseRow = Callable[[BadRow, FileLines], None]
"""Is given each refused row, which is the present one of the lines."""


@dataclass(frozen=True, slots=True)
class SiftRequest:
    """The recipients' file, how to read it, and whether good rows do without the refused ones."""

    file: TextFile
    kind: Kind
    form: Form
    skip_refused: bool = False


@dataclass
class Sifted:
    """The good rows, on disk, and what became of all lines. `notes` are sentences about the file for people."""

    spool: IO[str]
    sums: Sums
    read_as: str
    refused: int
    first: Recipient | None
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> int:
        """How many rows are good. `refused` is how many are not."""
        return self.sums.rows

    def chunks(self) -> Iterator[list[Recipient]]:
        """The good rows again, some at a time."""
        self.spool.seek(0)
        while chunk := [_from_spool(line) for line in islice(self.spool, CHUNK)]:
            yield chunk

    def told(self, rows: str) -> str:
        """The sums of lines, for people. `rows` is what the good ones are called."""
        return self.sums.told(self.read_as, rows)


def _from_spool(line: str) -> Recipient:
    said = json.loads(line)
    return Recipient(**{**said, "attachments": tuple(AttachmentRef(**file) for file in said["attachments"])})


class RowsRefused(OperationRefused):
    """Rows are bad, and the good ones are not to go without them. `sifted` has the sums."""

    def __init__(self, sifted: Sifted) -> None:
        rows = sifted.refused + sifted.good
        what = f"{sifted.refused:,} of {rows:,} rows are bad. Nothing was registered"
        super().__init__(what, which="file", do="Correct them, or skip them.")
        self.sifted = sifted


def sift(
    request: SiftRequest, record: Record, spool: IO[str], refuse: RefuseRow, each: Callable[[], None] = lambda: None
) -> Sifted:
    """Read the whole file, with the good rows into `spool`. `record` looks at their attachments.
    `each` is called after each row.

    Raises `RowsRefused` when rows are refused and are not to be skipped, and `NotPossible` for a file that is none.
    """
    first, refused = None, 0
    lines = FileLines(request.file)
    with RepeatedRecipients() as repeated:
        for read in read_recipients(lines, request.kind, request.form):
            row = _recorded(read, record) if isinstance(read, Recipient) else read
            each()
            if isinstance(row, BadRow):
                refused += 1
                lines.refuse()
                refuse(row, lines)
                continue
            spool.write(json.dumps(asdict(row)) + "\n")
            repeated.add(addresses.recipient(row.email, None).address.lower(), row.line)
            lines.accept()
            first = first or row
        notes = tuple(filter(None, (repeated.told(), lines.hint)))
    sifted = Sifted(spool, lines.sums(), lines.read_as, refused, first, notes)
    if refused and not request.skip_refused:
        raise RowsRefused(sifted)
    return sifted


def _recorded(row: Recipient, record: Record) -> Recipient | BadRow:
    try:
        return replace(row, attachments=tuple(record(file) for file in row.attachments))
    except RenderError as error:
        return BadRow(row.line, error.reply)
