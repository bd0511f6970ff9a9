"""`submit`: register a job from a file of recipients, templates and attachments, in the reference schema."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from email import message_from_bytes, policy
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click

from eed_delivery.cli.csv_rows import BadRow
from eed_delivery.cli.failures import NOT_POSSIBLE, Failure
from eed_delivery.cli.files import Files
from eed_delivery.cli.options import moment, takes_config, takes_json
from eed_delivery.cli.preparing import CATEGORY, is_reference
from eed_delivery.cli.recipients import Kind, Recipient, read_recipients
from eed_delivery.cli.registering import Registration
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.text_input import opened_text
from eed_delivery.errors import EedError, NotPossible, RenderError
from eed_delivery.model import AttachmentRef, Email, Job
from eed_delivery.source.reference import delivery_job

CHUNK = 500
BAD_ROWS_SHOWN = 20
LATEST = 2**31  # FROM_UNIXTIME ends in 2038 on older servers
_INPUT = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
_TEMPLATE = click.Path(path_type=Path, exists=True, dir_okay=False)

Record = Callable[[AttachmentRef], AttachmentRef]


@click.command()
@click.option("--name", required=True, help="The job's name, for people.")
@click.option("--sender", required=True, help="The From address: statements@example.com or 'Bank <…>'.")
@click.option("--reply-to", help="The Reply-To address.")
@click.option("--subject", required=True, help="The subject; a template, like the bodies.")
@click.option("--html", type=_TEMPLATE, help="The HTML body's template.")
@click.option("--text", type=_TEMPLATE, help="The text body's template; without it made from the HTML.")
@click.option("--category", help="What recipients may want no more of; [source.job] must map the column.")
@click.option("--recipients", required=True, type=_INPUT, help="FILE.csv or FILE.jsonl; - for stdin.")
@click.option(
    "--format", "kind", type=click.Choice(["csv", "jsonl"]), help="Of the recipients, if the name doesn't say."
)
@click.option("--delimiter", default=",", show_default=True, help="Between CSV columns; ';' for some spreadsheets.")
@click.option("--attachment", "attachments", multiple=True, metavar="PATH", help="For every email; may be repeated.")
@click.option("--no-hash", is_flag=True, help="Don't look at the attachments: they are not on this host.")
@click.option("--schedule", type=moment, help="Not before this time, like 2026-12-31T18:00:00+01:00.")
@click.option("--expires", type=moment, help="What is not sent by then is cancelled.")
@click.option("--skip-bad", is_flag=True, help="Register the good rows although there are bad ones.")
@click.option("--dry-run", is_flag=True, help="Check everything and show the first email, but register nothing.")
@takes_json
@takes_config
@pass_session
def submit(session: Session, /, **options: Any) -> None:
    """Register a job from a file of recipients.

    The service takes the job up by itself. Prints the job's id.

    The CSV's first line names its columns: email (required), name, attachment (paths below
    rendering.attachments_root or s3://…, several with ; between); every other column is a variable of the templates.
    A JSON line is {"email": …, "name": …, "variables": {…}, "attachments": [{"location": …, "filename": …}]}.

    Nothing is registered when a row is bad; the bad rows are listed. A crash half-way leaves a job in the status
    'preparing', which is never sent.

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
    recipients: Path
    kind: Kind | None
    delimiter: str
    attachments: tuple[str, ...]
    no_hash: bool
    schedule: datetime | None
    expires: datetime | None
    skip_bad: bool
    dry_run: bool
    as_json: bool


@dataclass
class Sifted:
    """The good rows, on disk, and what was wrong with the others."""

    spool: IO[str]
    first: Recipient | None = None
    good: int = 0
    bad: int = 0
    told: list[BadRow] = field(default_factory=list)

    def add(self, row: Recipient) -> None:
        self.first = self.first or row
        self.good += 1
        self.spool.write(json.dumps(asdict(row)) + "\n")

    def refuse(self, row: BadRow) -> None:
        self.bad += 1
        if len(self.told) < BAD_ROWS_SHOWN:
            self.told.append(row)

    def chunks(self) -> Iterator[list[Recipient]]:
        """The good rows again, some at a time."""
        self.spool.seek(0)
        while chunk := [_from_spool(line) for line in islice(self.spool, CHUNK)]:
            yield chunk


def _from_spool(line: str) -> Recipient:
    said = json.loads(line)
    return Recipient(**{**said, "attachments": tuple(AttachmentRef(**file) for file in said["attachments"])})


class Submission:
    """One run of `submit`. Everything that can be wrong is found before the first row is written."""

    def __init__(self, session: Session, order: Order) -> None:
        if not is_reference(session.settings.source):
            raise NotPossible(
                "[source] maps your own tables, and submit writes the reference schema only. "
                "Register the job as your delivery server does."
            )
        self._session = session
        self._order = order
        rendering = session.settings.rendering
        files = Files(rendering.attachments_root, rendering.max_attachment_bytes)
        self._recorded: Record = (lambda file: file) if order.no_hash else files.recorded

    def run(self) -> None:
        job = self._job()
        shared = [self._recorded(AttachmentRef(location)) for location in self._order.attachments]
        content = _content(job, shared)
        renderer = self._session.app.renderer()
        compiled = renderer.compile(content)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            sifted = self._sift(Sifted(spool))
            first = sifted.first
            if first is None:
                raise NotPossible(f"{self._order.recipients}: there is no row to register")
            if self._order.dry_run:
                self._show(sifted, renderer.render(compiled, _email(first)).content)
            else:
                self._register(job, shared, sifted)

    def _job(self) -> dict[str, Any]:
        """The job's row. Raises for what does not fit into it."""
        order = self._order
        if order.html is None and order.text is None:
            raise click.UsageError("Give --html, --text, or both.")
        self._check_times()
        job: dict[str, Any] = {
            "name": order.name,
            "sender": order.sender,
            "reply_to": order.reply_to,
            "subject": order.subject,
            "html_template": _template(order.html),
            "text_template": _template(order.text),
            "scheduled_for": order.schedule,
            "expires_at": order.expires,
            **self._category(),
        }
        for name in ("name", "sender", "reply_to", "subject", "category"):
            limit = getattr(delivery_job.c[name].type, "length", None)
            if limit is not None and len(job.get(name) or "") > limit:
                raise NotPossible(f"--{name.replace('_', '-')} is longer than {limit} characters")
        return job

    def _category(self) -> dict[str, str]:
        """The job's category. None is no value, too: tables that were made before there were any lack the column."""
        if self._order.category is None:
            return {}
        if not self._session.settings.source.job.category:
            raise NotPossible(f'jobs have no category here. Set source.job.category = "{CATEGORY}" to give them one.')
        return {CATEGORY: self._order.category}

    def _check_times(self) -> None:
        schedule, expires = self._order.schedule, self._order.expires
        for time in (schedule, expires):
            if time is not None and time.timestamp() >= LATEST:
                raise click.UsageError("A time after 2038-01-19 cannot be kept by every database.")
        if expires is None:
            return
        if schedule is not None and expires <= schedule:
            raise click.UsageError("--expires must be later than --schedule.")
        if expires.replace(tzinfo=None) <= self._session.reporting.now():
            raise click.UsageError("--expires is past: nothing would be sent.")

    def _sift(self, sifted: Sifted) -> Sifted:
        """Read the whole file; raises `Failure` when there are bad rows and they are not to be skipped."""
        kind = self._kind()
        with opened_text(self._order.recipients) as stream:
            for row in read_recipients(stream, kind, self._order.delimiter):
                recorded = self._with_hashes(row) if isinstance(row, Recipient) else row
                sifted.refuse(recorded) if isinstance(recorded, BadRow) else sifted.add(recorded)
        for bad in sifted.told:
            click.echo(str(bad), err=True)
        if sifted.bad > len(sifted.told):
            click.echo(f"and {sifted.bad - len(sifted.told):,} more", err=True)
        if sifted.bad and not self._order.skip_bad:
            words = f"error: {sifted.bad:,} of {sifted.bad + sifted.good:,} rows are bad; nothing was registered."
            raise Failure(f"{words} Mend them, or register the others with --skip-bad.", NOT_POSSIBLE)
        return sifted

    def _with_hashes(self, row: Recipient) -> Recipient | BadRow:
        try:
            return replace(row, attachments=tuple(self._recorded(file) for file in row.attachments))
        except RenderError as error:
            return BadRow(row.line, error.reply)

    def _kind(self) -> Kind:
        suffix = self._order.recipients.suffix.lower()
        by_name: dict[str, Kind] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
        found = self._order.kind or by_name.get(suffix)
        if found is None:
            raise click.UsageError(
                "The name of the recipients' file doesn't say what it is: add --format csv or jsonl."
            )
        return found

    def _register(self, job: dict[str, Any], shared: list[AttachmentRef], sifted: Sifted) -> None:
        registration = Registration(self._session.database, self._session.settings.source)
        job_id = registration.begin(job, shared)
        try:
            for chunk in sifted.chunks():
                registration.add(chunk)
            registration.release()
        except EedError:
            click.echo(f"job {job_id} is not complete: it stays 'preparing', and nothing of it is sent", err=True)
            raise
        self._told(str(job_id), sifted)

    def _told(self, key: str, sifted: Sifted) -> None:
        """The id alone on stdout, for scripts; the rest is for people."""
        if self._order.as_json:
            self._session.screen.json({"job": key, "emails": sifted.good, "skipped": sifted.bad})
            return
        self._session.screen.line(key)
        click.echo(f"{sifted.good:,} emails are registered; the publisher takes the job up by itself", err=True)
        click.echo(f"see it go out:  {self._session.command('job', key, '--watch')}", err=True)

    def _show(self, sifted: Sifted, content: bytes) -> None:
        message = message_from_bytes(content, policy=policy.default)
        names = [part.get_filename() for part in message.walk() if part.get_content_disposition() == "attachment"]
        facts = {name.lower(): str(message[name]) for name in ("From", "To", "Reply-To", "Subject") if message[name]}
        if self._order.as_json:
            first = {**facts, "bytes": len(content), "attachments": names}
            self._session.screen.json({"dry_run": True, "emails": sifted.good, "skipped": sifted.bad, "first": first})
            return
        for name, value in facts.items():
            self._session.screen.line(f"{name + ':':<13}{value}")
        self._session.screen.line(f"{'size:':<13}{len(content):,} bytes")
        self._session.screen.line(f"{'attachments:':<13}{', '.join(map(str, names)) or 'none'}")
        self._session.screen.line(f"{sifted.good:,} emails would be registered; nothing was")


def _content(job: dict[str, Any], shared: list[AttachmentRef]) -> Job:
    names = ("sender", "subject", "reply_to", "html_template", "text_template")
    return Job(job_id=0, key="0", revision=0, attachments=tuple(shared), **{name: job[name] for name in names})


def _email(first: Recipient) -> Email:
    return Email(
        email_id=0,
        job_id=0,
        key="0",
        gen=0,
        token=0,
        attempts=0,
        recipient=first.email,
        recipient_name=first.name,
        variables=dict(first.variables),
        attachments=first.attachments,
    )


def _template(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NotPossible(f"{path}: {words}") from error
