"""`suppression import|export`: the list as a file. Both go an entry at a time, a million too."""

import sys
from datetime import datetime
from pathlib import Path

import click

from eed_delivery.cli import options, values
from eed_delivery.cli.csv_options import takes_csv_form
from eed_delivery.cli.failures import NOT_POSSIBLE, Failure
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.suppression import PAST, suppression
from eed_delivery.cli.text_input import opened_text
from eed_delivery.operations.suppression.listing import EntryPast
from eed_delivery.operations.suppression.moving import ImportRequest, ImportResult
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.lines import BadRow

BAD_LINES_TOLD = 1000
_INPUT = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)


class _BadRows:
    """Names bad rows; not without end, if the file is something else altogether."""

    def __init__(self) -> None:
        self._count = 0

    def name(self, row: BadRow) -> None:
        self._count += 1
        if self._count <= BAD_LINES_TOLD:
            click.echo(str(row), err=True)
        elif self._count == BAD_LINES_TOLD + 1:
            click.echo("further bad lines are only counted", err=True)


@suppression.command("import")
@click.argument("file", type=_INPUT)
@click.option(
    "--category", type=values.category, help="Only for jobs of this category, unless the file has that column."
)
@click.option("--reason", type=values.text, help="Kept with each entry, unless the file has that column.")
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
    with opened_text(file, encoding) as opened:
        request = ImportRequest(opened, Form(delimiter, multiline), category, reason, expires, dry_run)
        try:
            result = session.operations.suppression_moving.enter(request, _BadRows().name)
        except EntryPast as error:
            raise click.UsageError(PAST) from error
    click.echo(result.sums.told(result.read_as, "good"), err=True)
    _tell(session, result, dry_run, as_json)
    if result.bad:
        words = "nothing was changed" if dry_run else "the others are on the list"
        problem = f"error: {result.bad:,} of {result.read:,} rows are bad; {words}."
        raise Failure(" ".join(filter(None, (problem, result.hint))), NOT_POSSIBLE)


def _tell(session: Session, result: ImportResult, dry_run: bool, as_json: bool) -> None:
    if as_json:
        counts = {name: getattr(result, name) for name in ("read", "added", "prolonged", "bad")}
        there_already = None if dry_run else result.there_already
        session.screen.json({**counts, "there_already": there_already, "dry_run": dry_run})
    elif dry_run:
        session.screen.line(f"{result.good:,} of {result.read:,} rows are good; nothing was changed")
    else:
        done = f"{result.added:,} added, {result.prolonged:,} kept longer, {result.there_already:,} there already"
        session.screen.line(f"{result.good:,} of {result.read:,} rows are good: {done}")


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
    out.writelines(session.operations.suppression_moving.written())
    out.flush()
