"""`report`: a job as CSV, JSON or a page, with the certificate that its sums come out even."""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO

import click

from eed_delivery.cli import options
from eed_delivery.cli.failures import Failure
from eed_delivery.cli.options import takes_config
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.acts import ActLedger
from eed_delivery.ledger.reporting import EmailReport, RefusalReport
from eed_delivery.ledger.tracking.engagement import Engagement, EngagementLedger
from eed_delivery.ledger.tracking.outcomes import OutcomeLedger
from eed_delivery.private_files import create_private
from eed_delivery.reports.certificate import Certificate, Reconciliation
from eed_delivery.reports.digest import Digest
from eed_delivery.reports.page import REASONS_LISTED, page
from eed_delivery.reports.rows import facts, utc
from eed_delivery.reports.tracked import tracked
from eed_delivery.untrusted import json_text


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--format", "kind", type=click.Choice(["csv", "json", "html"]), default="csv", show_default=True)
@click.option("--opens", is_flag=True, help="With each email's opens and clicks: personal data.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Into this file, not to stdout.")
@takes_config
@pass_session
def report(session: Session, key: str, kind: str, opens: bool, output: Path | None) -> None:
    """Write a job's report, with its reconciliation certificate.

    csv: a row for each email; the certificate goes into FILE.certificate.json, or to stderr. json: rows and certificate
    in one object. html: a page to read and print, without recipients' addresses.

    --opens adds four columns to csv and json, and makes the certificate one of version 2. These rows change as people
    open their emails, and as old events are forgotten. The page says how many were opened, where that is tracked.

    \b
    Example:
      eed-delivery report 42 --format html --output 42.html
    """
    making = Making(session, session.operations.keys.job_id(key), opens=opens)
    beside = output.with_name(output.name + ".certificate.json") if output and kind == "csv" else None
    with _opened(output) as file:
        making.write(kind, file)
    if beside is not None:
        with _opened(beside) as file:
            file.write(making.written_certificate())
    elif kind == "csv":
        sys.stderr.buffer.write(making.written_certificate())


class Making:
    """The making of one report. Each format is written as its rows are read."""

    def __init__(self, session: Session, job_id: int, *, opens: bool) -> None:
        self._session = session
        self._job_id = job_id
        self._engagement = EngagementLedger(session.database)
        self._opens = opens
        self._reconciliation = Reconciliation(with_engagement=opens)
        self._read_from = session.reporting.now()

    def write(self, kind: str, file: IO[bytes]) -> None:
        """As `csv`, `json` or `html`."""
        writers: dict[str, Callable[[IO[bytes]], None]] = {"csv": self._csv, "json": self._json, "html": self._html}
        writers[kind](file)

    def _csv(self, file: IO[bytes]) -> None:
        """A row for each email."""
        file.write(self._reconciliation.header)
        for email, engagement in self._emails():
            file.write(self._reconciliation.row(email, engagement))
        for refusal in self._refusals():
            file.write(self._reconciliation.refusal(refusal))

    def _json(self, file: IO[bytes]) -> None:
        """One object: `emails` and `refused`, one in a line, then the job's `engagement` and the `certificate`."""
        start = b'{"emails": [\n'
        for email, engagement in self._emails():
            self._reconciliation.row(email, engagement)
            file.write(start + _json(facts(email, engagement)))
            start = b",\n"
        file.write(b'{"emails": [' if start != b",\n" else b"\n")
        file.write(b'],\n"refused": [')
        start = b"\n"
        for refusal in self._refusals():
            self._reconciliation.refusal(refusal)
            file.write(start + _json(_refused(refusal)))
            start = b",\n"
        file.write(b'],\n"engagement": ' + _json(asdict(self._engagement.of_job(self._job_id))))
        file.write(b',\n"certificate": ' + self.written_certificate().rstrip() + b"}\n")

    def _html(self, file: IO[bytes]) -> None:
        """The page."""
        digest = Digest()
        for email, engagement in self._emails():
            self._reconciliation.row(email, engagement)
            digest.add(email)
        for refusal in self._refusals():
            self._reconciliation.refusal(refusal)
            digest.refuse(refusal)
        bounces = OutcomeLedger(self._session.database).bounces(self._job_id, REASONS_LISTED)
        engaged = self._engagement.of_job(self._job_id)
        acts = ActLedger(self._session.database).of_job(self._job_id)
        certificate = self._certificate()
        known = tracked(self._session.settings, certificate.outcomes)
        text = page(certificate, digest, bounces, engaged, acts, known, self._session.command)
        file.write(text.encode("utf-8", "backslashreplace"))

    def written_certificate(self) -> bytes:
        """The certificate of what was written, as JSON."""
        return _json(self._certificate().as_json(), indent=2) + b"\n"

    def _emails(self) -> Iterator[tuple[EmailReport, Engagement | None]]:
        """Each email, with its opens and clicks where they are asked for."""
        emails = self._session.reporting.emails(self._job_id)
        yield from self._engagement.beside(emails) if self._opens else ((email, None) for email in emails)

    def _refusals(self) -> Iterator[RefusalReport]:
        """The rows of the source that were refused."""
        return self._session.reporting.refusals(self._job_id)

    def _certificate(self) -> Certificate:
        job = self._session.reporting.job(self._job_id)
        if job is None:
            raise NotPossible("the job has gone from the ledger while it was read")
        return self._reconciliation.certificate(job, self._read_from, self._session.reporting.now())


def _refused(refusal: RefusalReport) -> dict[str, object]:
    values = asdict(refusal)
    return {"email": values.pop("key"), **values}


def _json(data: object, indent: int | None = None) -> bytes:
    def plain(value: object) -> str:
        return utc(value) if isinstance(value, datetime) else str(value)

    return json_text(data, indent=indent, default=plain).encode()


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    """The file to write to; what was there stays until the new one is whole. None: stdout."""
    if output is None:
        yield sys.stdout.buffer
        return
    if output.exists() and not output.is_file():  # a device or a pipe, which must not be replaced
        raise Failure(f"error: {output} is no regular file. Leave out --output, and redirect stdout instead.")
    part = output.with_name(f".{output.name}.{secrets.token_hex(8)}.part")  # nobody can have put a link there
    try:
        with create_private(part) as file:
            yield file
        part.replace(output)
    except OSError as error:
        raise Failure(f"error: {output} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
