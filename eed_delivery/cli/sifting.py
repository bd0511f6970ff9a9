"""The recipients' file of `submit`, opened and read, with its refused rows named on stderr."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from eed_delivery.cli.failures import NOT_POSSIBLE, Failure
from eed_delivery.cli.refused_rows import RefusedRows
from eed_delivery.cli.text_input import opened_text
from eed_delivery.operations.submitting.recipients import Kind
from eed_delivery.operations.submitting.sifting import RefuseRow, RowsRefused, Sifted, SiftRequest
from eed_delivery.operations.text_files.csv_rows import Form

ROWS_NAMED = 20
"""Of the refused ones, when that stops everything."""
SKIPPED_ROWS_NAMED = 1000

Sift = Callable[[SiftRequest, RefuseRow], Sifted]


@dataclass(frozen=True)
class RecipientsFile:
    """Which file, how to read it, and whether good rows do without the refused ones."""

    path: Path
    kind: Kind
    form: Form
    encoding: str | None
    skip_refused: bool
    refused_to: Path | None


def sift_file(wanted: RecipientsFile, sift: Sift) -> Sifted:
    """Read the whole file by `sift`. Names the refused rows and counts the repeated recipients on stderr. Raises
    `Failure` when rows are refused and they are not to be skipped."""
    limit = SKIPPED_ROWS_NAMED if wanted.skip_refused else ROWS_NAMED
    with (
        opened_text(wanted.path, wanted.encoding) as file,
        RefusedRows(file, wanted.refused_to, limit) as refused,
    ):
        request = SiftRequest(file, wanted.kind, wanted.form, wanted.skip_refused)
        try:
            sifted = sift(request, refused.add)
        except RowsRefused as error:
            _tell(refused, error.sifted)
            raise _failure(error.sifted) from error
        _tell(refused, sifted)
        return sifted


def _tell(refused: RefusedRows, sifted: Sifted) -> None:
    for sentence in (refused.not_named, *sifted.notes):
        if sentence:
            click.echo(sentence, err=True)


def _failure(sifted: Sifted) -> Failure:
    rows = sifted.refused + sifted.good
    words = f"error: {sifted.refused:,} of {rows:,} rows are bad. Nothing was registered."
    remedy = "Correct them, or register the others with --skip-refused."
    return Failure(f"{words} {remedy}\n{sifted.told('good')}", NOT_POSSIBLE)
