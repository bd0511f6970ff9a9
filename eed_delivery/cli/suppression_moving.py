"""`suppression import|export`: the list as a file. Both go an entry at a time, a million too."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from eed_delivery.cli import options, suppression_file
from eed_delivery.cli.csv_options import takes_csv_form
from eed_delivery.cli.csv_rows import Form
from eed_delivery.cli.deciding import text
from eed_delivery.cli.failures import NOT_POSSIBLE, Failure
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.suppression import category, moment_until, suppression
from eed_delivery.cli.suppression_file import Defaults, read_entries
from eed_delivery.cli.text_input import opened_text
from eed_delivery.cli.text_lines import BadRow, Lines
from eed_delivery.ledger.suppression.listing import Entered, SuppressionEntry, SuppressionFilter, SuppressionList
from eed_delivery.ledger.suppression.statements import EVERY_EMAIL

CHUNK = 1000
IMPORTED = "imported"
BAD_LINES_TOLD = 1000
_INPUT = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)


@dataclass
class Tally:
    """What became of a file's entries. `there_already` counts those that are in the file twice, too."""

    read: int = 0
    added: int = 0
    prolonged: int = 0
    bad: int = 0

    @property
    def there_already(self) -> int:
        return self.read - self.added - self.prolonged - self.bad

    def refuse(self, row: BadRow) -> None:
        """Name a bad row; not without end, if the file is something else altogether."""
        self.read += 1
        self.bad += 1
        if self.bad <= BAD_LINES_TOLD:
            click.echo(str(row), err=True)
        elif self.bad == BAD_LINES_TOLD + 1:
            click.echo("further bad lines are only counted", err=True)

    def count(self, entries: int, entered: Entered) -> None:
        """So many good ones, and what came of them."""
        self.read += entries
        self.added += entered.added
        self.prolonged += entered.prolonged


@suppression.command("import")
@click.argument("file", type=_INPUT)
@click.option("--category", type=category, help="Only for jobs of this category, unless the file has that column.")
@click.option("--reason", type=text, help="Kept with each entry, unless the file has that column.")
@click.option(
    "--expires", type=options.until, help="For 30d, or until 2026-12-31T18:00:00Z, unless the file has expires_at."
)
@takes_csv_form
@click.option("--dry-run", is_flag=True, help="Read and check the file, but enter nothing.")
@takes_json
@takes_config
@pass_session
def import_list(
    session: Session,
    file: Path,
    category: str | None,
    reason: str | None,
    expires: float | datetime | None,
    delimiter: str | None,
    encoding: str | None,
    multiline: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Enter the addresses of FILE; - for stdin. It may be imported again, or go on where it was broken off.

    FILE is what suppression export writes, or a CSV whose first line names some of its columns, address at least; or it
    has one address a line. Bad lines are named, and the others are entered. Exit code 1 if there was a bad one. What is
    on the list already is prolonged, never shortened.

    \b
    Example:
      eed-delivery suppression import complaints.txt --reason "complaints of the old service"
    """
    defaults = Defaults(category or EVERY_EMAIL, reason or IMPORTED, moment_until(session, expires))
    tally = Tally()
    listed = None if dry_run else SuppressionList(session.database)
    with opened_text(file, encoding) as opened:
        lines = Lines(opened)
        rows = read_entries(lines, defaults, Form(delimiter, multiline))
        while chunk := list(islice(_good(rows, lines, tally), CHUNK)):
            tally.count(len(chunk), listed.enter(chunk) if listed else Entered())
    click.echo(lines.sums().told(lines.read_as, "good"), err=True)
    _tell(session, tally, dry_run, as_json)
    if tally.bad:
        words = "nothing was changed" if dry_run else "the others are on the list"
        error = f"error: {tally.bad:,} of {tally.read:,} rows are bad; {words}."
        raise Failure(" ".join(filter(None, (error, lines.hint))), NOT_POSSIBLE)


def _good(rows: Iterator[SuppressionEntry | BadRow], lines: Lines, tally: Tally) -> Iterator[SuppressionEntry]:
    for row in rows:
        if isinstance(row, BadRow):
            lines.refuse()
            tally.refuse(row)
        else:
            lines.accept()
            yield row


def _tell(session: Session, tally: Tally, dry_run: bool, as_json: bool) -> None:
    good = tally.read - tally.bad
    if as_json:
        counts = record(tally) | {"there_already": None if dry_run else tally.there_already, "dry_run": dry_run}
        session.screen.json(counts)
    elif dry_run:
        session.screen.line(f"{good:,} of {tally.read:,} rows are good; nothing was changed")
    else:
        done = f"{tally.added:,} added, {tally.prolonged:,} kept longer, {tally.there_already:,} there already"
        session.screen.line(f"{good:,} of {tally.read:,} rows are good: {done}")


@suppression.command("export")
@takes_config
@pass_session
def export_list(session: Session) -> None:
    """Write the whole list as CSV to stdout, what has expired too. suppression import takes it back as it was.

    A cell that a spreadsheet would take for a formula gets a ' before it, and so does one that begins with a '.

    \b
    Example:
      eed-delivery suppression export > suppression.csv
    """
    out = sys.stdout.buffer
    out.write(suppression_file.header())
    for entry in SuppressionList(session.database).entries(SuppressionFilter()):
        out.write(suppression_file.row(entry))
    out.flush()
