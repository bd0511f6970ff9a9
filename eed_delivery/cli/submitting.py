"""`submit`: register a job from a file of recipients, templates and attachments, in the reference schema."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from pathlib import Path
from typing import Any

import click

from eed_delivery.cli.csv_options import takes_csv_form
from eed_delivery.cli.csv_rows import Form
from eed_delivery.cli.files import Files
from eed_delivery.cli.options import moment, takes_config, takes_json
from eed_delivery.cli.preparing import CATEGORY, is_reference
from eed_delivery.cli.recipients import Kind, Recipient
from eed_delivery.cli.registering import Registration
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.sifting import Sifted, Wanted, sift
from eed_delivery.errors import EedError, NotPossible
from eed_delivery.model import AttachmentRef, Email, Job, Rendered
from eed_delivery.rendering.header_reading import decoded, fields, mailboxes
from eed_delivery.source.reference import delivery_job

LATEST = 2**31  # FROM_UNIXTIME ends in 2038 on older servers
_INPUT = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
_NEW = click.Path(path_type=Path, dir_okay=False)
_TEMPLATE = click.Path(path_type=Path, exists=True, dir_okay=False)


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
@takes_csv_form
@click.option("--attachment", "attachments", multiple=True, metavar="PATH", help="For every email; may be repeated.")
@click.option("--no-hash", is_flag=True, help="Don't look at the attachments: they are not on this host.")
@click.option("--schedule", type=moment, help="Not before this time, like 2026-12-31T18:00:00+01:00.")
@click.option("--expires", type=moment, help="What is not sent by then is cancelled.")
@click.option(
    "--skip-refused",
    "--skip-bad",
    "skip_refused",
    is_flag=True,
    help="Register the good rows although others are refused.",
)
@click.option(
    "--refused-to", type=_NEW, metavar="FILE", help="With --skip-refused: write the refused rows there, to mend them."
)
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

    Every row is checked first, its address as the service will check it. When one is refused, the refused ones are
    listed, nothing is registered, and the exit code is 1. With --skip-refused the others are registered. The sums of
    lines read, registered and refused are on stderr. A crash half-way leaves a job in the status 'preparing', which
    is never sent.

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
        files = Files(rendering.attachments_root, rendering.max_attachment_bytes, rendering.allow_empty_attachments)
        self._recorded: Callable[[AttachmentRef], AttachmentRef] = (
            (lambda file: file) if order.no_hash else files.recorded
        )

    def run(self) -> None:
        job = self._job()
        shared = [self._recorded(AttachmentRef(location)) for location in self._order.attachments]
        content = _content(job, shared)
        renderer = self._session.app.renderer()
        compiled = renderer.compile(content)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            sifted = sift(self._wanted(), self._recorded, spool)
            first = sifted.first
            if first is None or self._order.dry_run:
                click.echo(sifted.told("good"), err=True)
            if first is None:
                raise NotPossible(f"{self._order.recipients}: there is no row to register")
            if self._order.dry_run:
                self._show(sifted, renderer.render(compiled, _email(first)))
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

    def _wanted(self) -> Wanted:
        order = self._order
        if order.refused_to and not order.skip_refused:
            raise click.UsageError("--refused-to is for --skip-refused: else nothing is registered.")
        form = Form(order.delimiter, order.multiline)
        return Wanted(order.recipients, self._kind(), form, order.encoding, order.skip_refused, order.refused_to)

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
        click.echo(sifted.told("registered"), err=True)
        if self._order.as_json:
            self._session.screen.json({"job": key, "emails": sifted.good, "skipped": sifted.refused})
            return
        self._session.screen.line(key)
        click.echo(f"{sifted.good:,} emails are registered; the publisher takes the job up by itself", err=True)
        click.echo(f"see it go out:  {self._session.command('job', key, '--watch')}", err=True)

    def _show(self, sifted: Sifted, rendered: Rendered) -> None:
        content = rendered.content
        message = message_from_bytes(content)
        names = [part.get_filename() for part in message.walk() if part.get_content_disposition() == "attachment"]
        addressed = {name.lower(): _mailboxes(content, name) for name in ("From", "To", "Reply-To")}
        facts = {**addressed, "subject": "".join(map(decoded, fields(content, "Subject")))}
        facts = {name: value for name, value in facts.items() if value}
        if self._order.as_json:
            first = {**facts, "bytes": len(content), "attachments": names, "missing": list(rendered.missing)}
            self._session.screen.json(
                {"dry_run": True, "emails": sifted.good, "skipped": sifted.refused, "first": first}
            )
            return
        for name, value in facts.items():
            self._session.screen.line(f"{name + ':':<13}{value}")
        self._session.screen.line(f"{'size:':<13}{len(content):,} bytes")
        self._session.screen.line(f"{'attachments:':<13}{', '.join(map(str, names)) or 'none'}")
        if rendered.missing:
            self._session.screen.line(f"{'no value:':<13}{', '.join(rendered.missing)}")
        self._session.screen.line(f"{sifted.good:,} emails would be registered; nothing was")


def _mailboxes(message: bytes, name: str) -> str:
    found = [mailbox for field in fields(message, name) for mailbox in mailboxes(field)]
    return ", ".join(f"{name} <{address}>" if name else address for name, address in found)


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
