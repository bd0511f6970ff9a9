"""`report` writes a job as CSV, JSON or a page, with the certificate that its sums come out even."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from eed_delivery.cli import options
from eed_delivery.cli.failures import Failure
from eed_delivery.cli.options import takes_config
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.reporting import ReportKind, ReportRequest
from eed_delivery.private_files import create_private


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--format", "kind", type=click.Choice(["csv", "json", "html"]), default="csv", show_default=True)
@click.option("--opens", is_flag=True, help="Include each email's opens and clicks, which are personal data.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead of stdout.")
@takes_config
@pass_session
def report(session: Session, key: str, kind: ReportKind, opens: bool, output: Path | None) -> None:
    """Write a job's report, with its reconciliation certificate.

    csv has a row for each email. Its certificate goes into FILE.certificate.json, or to stderr without --output. json
    has rows and certificate in one object. html is a page to read and print, without recipients' addresses.

    --opens adds four columns to csv and json, and the certificate then has version 2. These rows change as people
    open their emails, and as old events are deleted. The page shows how many were opened, if that is tracked.

    \b
    Example:
      eed-delivery report 42 --format html --output 42.html
    """
    writer = session.operations.reporting.begin(ReportRequest(key, kind, session.command, opens))
    beside = output.with_name(output.name + ".certificate.json") if output and kind == "csv" else None
    with _opened(output) as file:
        writer.write(file)
    if beside is not None:
        with _opened(beside) as file:
            file.write(writer.certificate())
    elif kind == "csv":
        sys.stderr.buffer.write(writer.certificate())


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    """The file to write to. What was there stays until the new one is whole. None means stdout."""
    if output is None:
        yield sys.stdout.buffer
        return
    if output.exists() and not output.is_file():  # a device or a pipe, which must not be replaced
        raise Failure(f"error: {output} is not a regular file. Leave out --output, and redirect stdout instead.")
    part = output.with_name(f".{output.name}.{secrets.token_hex(8)}.part")  # no other process can have put a link there
    try:
        with create_private(part) as file:
            yield file
        part.replace(output)
    except OSError as error:
        raise Failure(f"error: {output} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
