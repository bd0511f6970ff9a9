"""`suppression import|export` reads and writes the list as a file. Both go an entry at a time, a million too."""

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
    """Names bad rows, but not without end, if the file is something else altogether."""

    def __init__(self) -> None:
        self._count = 0

    def name(self, row: BadRow) -> None:
        self._count += 1
        if self._count <= BAD_LINES_TOLD:
            click.echo(str(row), err=True)
        elif self._count == BAD_LINES_TOLD + 1:
            click.echo("more bad lines are counted, but not listed", err=True)


@suppression.command("import")
@click.argument("file", type=_INPUT)
@click.option(
    "--category", type=values.category, help="Suppress only jobs of this category, unless the file has that column."
)
@click.option("--reason", type=values.text, help="Say why. Kept with each entry, unless the file has that column.")
@click.option(
    "--expires", type=options.until, help="End after 30d, or at 2026-12-31T18:00:00Z, unless the file has expires_at."
)
@takes_csv_form
@click.option("--dry-run", is_flag=True, help="Read and check the file, but change nothing.")
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
    """Add the addresses of FILE, or of stdin if it is -. It is safe to import a file again.

    FILE has one address a line, or is a CSV as suppression export writes it. A CSV's first line names its columns, and
    only address is required. Bad lines are listed, and the others are added. Exit code 1 means that there was a bad
    line. An existing entry is prolonged, never shortened.

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
        problem = f"error: {result.bad:,} of {result.read:,} rows are bad, and {words}."
        raise Failure(" ".join(filter(None, (problem, result.hint))), NOT_POSSIBLE)


def _tell(session: Session, result: ImportResult, dry_run: bool, as_json: bool) -> None:
    if as_json:
        counts = {name: getattr(result, name) for name in ("read", "added", "prolonged", "bad")}
        there_already = None if dry_run else result.there_already
        session.screen.json({**counts, "there_already": there_already, "dry_run": dry_run})
    elif dry_run:
        session.screen.line(f"{result.good:,} of {result.read:,} rows are good. Nothing was changed")
    else:
        done = f"{result.added:,} added, {result.prolonged:,} kept longer, {result.there_already:,} there already"
        session.screen.line(f"{result.good:,} of {result.read:,} rows are good: {done}")


@suppression.command("export")
@takes_config
@pass_session
def export_list(session: Session) -> None:
    """Write the whole list as CSV to stdout, with expired entries.

    suppression import restores it. A cell gets a ' in front if a spreadsheet would read it as a formula, or if it
    begins with a '.

    \b
    Example:
      eed-delivery suppression export > suppression.csv
    """
    out = sys.stdout.buffer
    out.writelines(session.operations.suppression_moving.written())
    out.flush()
