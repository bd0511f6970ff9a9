"""The recipients that `submit` registers: every row of the file is checked before the first one is written."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO

import click

from eed_delivery.cli.csv_rows import Form
from eed_delivery.cli.failures import NOT_POSSIBLE, Failure
from eed_delivery.cli.recipients import Kind, Recipient, read_recipients
from eed_delivery.cli.refused_rows import RefusedRows
from eed_delivery.cli.repeated import RepeatedRecipients
from eed_delivery.cli.text_input import opened_text
from eed_delivery.cli.text_lines import BadRow, Lines, Sums
from eed_delivery.errors import RenderError
from eed_delivery.model import AttachmentRef
from eed_delivery.rendering import addresses

CHUNK = 500
ROWS_NAMED = 20
"""Of the refused ones, when that stops everything."""
SKIPPED_ROWS_NAMED = 1000

Record = Callable[[AttachmentRef], AttachmentRef]


@dataclass(frozen=True)
class Wanted:
    """Which file, how to read it, and whether good rows do without the refused ones."""

    path: Path
    kind: Kind
    form: Form
    encoding: str | None
    skip_refused: bool
    refused_to: Path | None


@dataclass
class Sifted:
    """The good rows, on disk, and what became of all lines."""

    spool: IO[str]
    sums: Sums
    read_as: str
    refused: int
    first: Recipient | None

    @property
    def good(self) -> int:
        """How many rows are good. `refused`: how many are not."""
        return self.sums.rows

    def chunks(self) -> Iterator[list[Recipient]]:
        """The good rows again, some at a time."""
        self.spool.seek(0)
        while chunk := [_from_spool(line) for line in islice(self.spool, CHUNK)]:
            yield chunk

    def told(self, rows: str) -> str:
        """The sums of lines, for people. `rows`: what the good ones are called."""
        return self.sums.told(self.read_as, rows)


def _from_spool(line: str) -> Recipient:
    said = json.loads(line)
    return Recipient(**{**said, "attachments": tuple(AttachmentRef(**file) for file in said["attachments"])})


def sift(wanted: Wanted, record: Record, spool: IO[str]) -> Sifted:
    """Read the whole file, with the good rows into `spool`. `record` looks at their attachments.

    Names the refused rows and counts the repeated recipients on stderr. Raises `Failure` when rows are refused and they
    are not to be skipped.
    """
    limit = SKIPPED_ROWS_NAMED if wanted.skip_refused else ROWS_NAMED
    first = None
    with opened_text(wanted.path, wanted.encoding) as file, RepeatedRecipients() as repeated:
        lines = Lines(file)
        with RefusedRows(file, wanted.refused_to, limit) as refused:
            for read in read_recipients(lines, wanted.kind, wanted.form):
                row = _recorded(read, record) if isinstance(read, Recipient) else read
                if isinstance(row, BadRow):
                    refused.add(row, lines)
                    continue
                spool.write(json.dumps(asdict(row)) + "\n")
                repeated.add(addresses.recipient(row.email, None).address.lower(), row.line)
                lines.accept()
                first = first or row
        sifted = Sifted(spool, lines.sums(), lines.read_as, refused.count, first)
        for sentence in (refused.not_named, repeated.told(), lines.hint):
            if sentence:
                click.echo(sentence, err=True)
    if refused.count and not wanted.skip_refused:
        raise _refusal(sifted)
    return sifted


def _recorded(row: Recipient, record: Record) -> Recipient | BadRow:
    try:
        return replace(row, attachments=tuple(record(file) for file in row.attachments))
    except RenderError as error:
        return BadRow(row.line, error.reply)


def _refusal(sifted: Sifted) -> Failure:
    rows = sifted.refused + sifted.good
    words = f"error: {sifted.refused:,} of {rows:,} rows are bad; nothing was registered."
    remedy = "Mend them, or register the others with --skip-refused."
    return Failure(f"{words} {remedy}\n{sifted.told('good')}", NOT_POSSIBLE)
