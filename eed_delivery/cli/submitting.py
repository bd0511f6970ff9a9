"""`submit` registers a job from a file of recipients, templates and attachments, in the reference schema."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from eed_delivery.cli.csv_options import takes_csv_form
from eed_delivery.cli.options import moment, takes_config, takes_json
from eed_delivery.cli.registering import registered_by
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.sifting import RecipientsFile, sift_file
from eed_delivery.errors import EedError, NotPossible
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.submitting.by_the_side import ROWS_AT_ONCE
from eed_delivery.operations.submitting.drafts import (
    ExpiresFirst,
    ExpiresPast,
    FieldTooLong,
    JobDraft,
    NoTemplate,
    TooLate,
)
from eed_delivery.operations.submitting.recipients import Kind
from eed_delivery.operations.submitting.sifting import Sifted
from eed_delivery.operations.submitting.submission import PreparedJob, SubmissionPreview
from eed_delivery.operations.text_files.csv_rows import Form

USAGE: Mapping[type[InvalidRequest], str] = {
    NoTemplate: "Give --html, --text, or both.",
    TooLate: "Not every database can store a time after 2038-01-19.",
    ExpiresFirst: "--expires must be later than --schedule.",
    ExpiresPast: "--expires is in the past, so nothing would be sent.",
}
"""Mistakes in the command line, in the words of its options."""
_INPUT = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
_NEW = click.Path(path_type=Path, dir_okay=False)
_TEMPLATE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--name", required=True, help="Set the job's name, for people.")
@click.option("--sender", required=True, help="Set the From address, like statements@example.com or 'Bank <…>'.")
@click.option("--reply-to", help="Set the Reply-To address.")
@click.option("--subject", required=True, help="Set the subject, a template like the bodies.")
@click.option("--html", type=_TEMPLATE, help="Read the HTML body's template from this file.")
@click.option(
    "--text", type=_TEMPLATE, help="Read the text body's template from this file. Default: made from the HTML."
)
@click.option("--category", help="Set the category that recipients can unsubscribe from. [source.job] must map it.")
@click.option("--channel", help="Send by this channel. [source.job] must map it. Default: that of all jobs.")
@click.option(
    "--recipients", required=True, type=_INPUT, help="Read recipients from FILE.csv, FILE.jsonl, or - for stdin."
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl"]),
    help="Set the recipients' format. Default: from the file's name.",
)
@takes_csv_form
@click.option(
    "--attachment", "attachments", multiple=True, metavar="PATH", help="Attach this file to every email. Repeatable."
)
@click.option("--no-hash", is_flag=True, help="Skip checks of the attachments, if they are not on this host.")
@click.option("--schedule", type=moment, help="Send nothing before this time, like 2026-12-31T18:00:00+01:00.")
@click.option("--expires", type=moment, help="Cancel emails that are not sent by this time.")
@click.option(
    "--skip-refused",
    "--skip-bad",
    "skip_refused",
    is_flag=True,
    help="Register the good rows even if others are refused.",
)
@click.option(
    "--refused-to", type=_NEW, metavar="FILE", help="Write rows that --skip-refused skips to FILE, for correction."
)
@click.option("--dry-run", is_flag=True, help="Check everything and show the first email, but register nothing.")
@takes_json
@takes_config
@pass_session
def submit(session: Session, /, **options: Any) -> None:
    """Register a job from a file of recipients.

    Prints the job's id. The service picks up the job by itself.

    The CSV's first line names its columns. email is required. name and attachment are optional. An attachment is a
    path below rendering.attachments_root or s3://…, and ; separates several. Every other column is a variable of the
    templates.

    A JSON line is {"email": …, "name": …, "variables": {…}, "attachments": [{"location": …, "filename": …}]}.

    Every row is checked first, and its address as the service will check it. One refused row stops everything: the
    refused rows are listed, nothing is registered, and the exit code is 1. --skip-refused registers the others. The
    sums of lines read, registered and refused are on stderr. A crash half-way leaves a job in the status 'preparing',
    which is never sent.

    More than 10,000 rows are registered by an operation, which goes on after a crash.

    \b
    Example:
      eed-delivery submit --name "Statements 2026" --sender statements@example.com \\
        --subject "Your statement, {{ recipient_name }}" --html statement.html --recipients customers.csv
    """
    Submission(session, Order(**options)).run()


@dataclass(frozen=True)
class Order:
    """What the command line asks for."""

    name: str
    sender: str
    reply_to: str | None
    subject: str
    html: Path | None
    text: Path | None
    category: str | None
    channel: str | None
    recipients: Path
    kind: Kind | None
    delimiter: str | None
    encoding: str | None
    multiline: bool
    attachments: tuple[str, ...]
    no_hash: bool
    schedule: datetime | None
    expires: datetime | None
    skip_refused: bool
    refused_to: Path | None
    dry_run: bool
    as_json: bool


class Submission:
    """One run of `submit`."""

    def __init__(self, session: Session, order: Order) -> None:
        self._session = session
        self._order = order
        self._submitting = session.operations.submitting

    def run(self) -> None:
        self._submitting.check_source()
        job = self._prepared()
        for note in job.notes:
            click.echo(f"warning: {note}", err=True)
        wanted = self._wanted()
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            sifted = sift_file(wanted, lambda request, refused: self._submitting.sift(job, request, spool, refused))
            if sifted.first is None or self._order.dry_run:
                click.echo(sifted.told("good"), err=True)
            if sifted.first is None:
                raise NotPossible(f"{self._order.recipients}: there is no row to register")
            if self._order.dry_run:
                self._show(sifted, self._submitting.preview(job, sifted))
            else:
                self._register(job, sifted)

    def _prepared(self) -> PreparedJob:
        try:
            return self._submitting.prepare(self._draft(), look_at_attachments=not self._order.no_hash)
        except FieldTooLong as error:
            option = error.which.replace("_", "-")
            raise NotPossible(f"--{option} is longer than {error.limit} characters") from error
        except InvalidRequest as error:
            raise click.UsageError(USAGE.get(type(error), str(error))) from error

    def _draft(self) -> JobDraft:
        order = self._order
        return JobDraft(
            name=order.name,
            sender=order.sender,
            subject=order.subject,
            html=_template(order.html),
            text=_template(order.text),
            reply_to=order.reply_to,
            category=order.category,
            channel=order.channel,
            attachments=order.attachments,
            schedule=order.schedule,
            expires=order.expires,
        )

    def _wanted(self) -> RecipientsFile:
        order = self._order
        if order.refused_to and not order.skip_refused:
            raise click.UsageError("--refused-to needs --skip-refused. Without it, nothing is registered.")
        form = Form(order.delimiter, order.multiline)
        return RecipientsFile(
            order.recipients, self._kind(), form, order.encoding, order.skip_refused, order.refused_to
        )

    def _kind(self) -> Kind:
        suffix = self._order.recipients.suffix.lower()
        by_name: dict[str, Kind] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
        found = self._order.kind or by_name.get(suffix)
        if found is None:
            raise click.UsageError(
                "The recipients' format is not clear from the file's name. Add --format csv or jsonl."
            )
        return found

    def _register(self, job: PreparedJob, sifted: Sifted) -> None:
        """The id alone on stdout, for scripts. The rest is for people."""
        try:
            if sifted.good > ROWS_AT_ONCE:
                act = self._session.operations.submission_orders.start_sifted(self._draft(), job, sifted)
                registered = registered_by(self._session, act)
            else:
                registered = self._submitting.register(job, sifted)
        except EedError as error:
            for note in getattr(error, "__notes__", ()):
                click.echo(note, err=True)
            raise
        click.echo(sifted.told("registered"), err=True)
        if self._order.as_json:
            counts: dict[str, Any] = {
                "emails": registered.emails,
                "skipped": registered.skipped,
                "notes": list(job.notes),
            }
            self._session.screen.json({"job": registered.key, **counts})
            return
        self._session.screen.line(registered.key)
        click.echo(f"{registered.emails:,} emails are registered. The publisher picks up the job by itself", err=True)
        click.echo(f"see it go out:  {self._session.command('job', registered.key, '--watch')}", err=True)

    def _show(self, sifted: Sifted, preview: SubmissionPreview) -> None:
        facts = {name: value for name, value in {**preview.addressed, "subject": preview.subject}.items() if value}
        if self._order.as_json:
            names, missing = list(preview.attachments), list(preview.missing)
            first = {**facts, "bytes": preview.size, "attachments": names, "missing": missing}
            self._session.screen.json(
                {"dry_run": True, "emails": sifted.good, "skipped": sifted.refused, "first": first}
            )
            return
        for name, value in facts.items():
            self._session.screen.line(f"{name + ':':<13}{value}")
        self._session.screen.line(f"{'size:':<13}{preview.size:,} bytes")
        self._session.screen.line(f"{'attachments:':<13}{', '.join(map(str, preview.attachments)) or 'none'}")
        if preview.missing:
            self._session.screen.line(f"{'no value:':<13}{', '.join(preview.missing)}")
        self._session.screen.line(f"{sifted.good:,} emails would be registered. Nothing was")


def _template(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NotPossible(f"{path}: {words}") from error
