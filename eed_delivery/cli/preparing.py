"""Before the first run: the ledger's tables, the mapping held against the database, a queue for development."""

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Connection

from eed_delivery.checks.findings import Finding
from eed_delivery.checks.mapping import check as check_source
from eed_delivery.cli.failures import NOT_POSSIBLE
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import Screen
from eed_delivery.cli.running import ledger_problem
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.config import Settings, SourceSettings, cautions
from eed_delivery.config.settings import UNUSED_IN_URL
from eed_delivery.errors import DatabaseGone, NotPossible, QueueGone
from eed_delivery.ledger import migrations
from eed_delivery.source.reference import create_reference, delivery_job

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

RETENTION_SECONDS = 14 * 86_400  # the longest that SQS allows
_COUNTED = ("error", "warning", "ok")
CATEGORY = delivery_job.c.category.name
"""The one optional column that the reference schema has and the settings' defaults do not map."""


@click.group("db")
def database() -> None:
    """Make the ledger's tables; check the mapping."""


@database.command("init")
@click.option("--with-source", is_flag=True, help="Make the reference schema's delivery_… tables as well.")
@takes_config
@pass_session
def init(session: Session, with_source: bool) -> None:
    """Make the ledger's eed_ tables, or bring them to this release. Your own tables are never altered.

    \b
    Example:
      eed-delivery db init
    """
    if with_source and not is_reference(session.settings.source):
        raise NotPossible(
            "[source] maps other tables than the reference schema, so its tables would never be read. "
            "Leave out --with-source, or remove the mapping."
        )
    _ping(session)
    migrations.upgrade(session.database.engine)
    session.screen.line(f"the ledger is at revision {migrations.head()}")
    if with_source:
        session.database.run(create_reference)
        session.screen.line("the tables delivery_job, delivery_email and delivery_attachment are there")


def _ping(session: Session) -> None:
    """Raises `DatabaseGone`. Where the service's password is set too, the owner's in the URL is the usual mistake."""
    try:
        session.database.ping()
    except DatabaseGone as gone:
        if UNUSED_IN_URL not in session.settings.database.url_notes:
            raise
        raise DatabaseGone(f"{gone} (database.url: {UNUSED_IN_URL}; give the owner's there)") from gone


def is_reference(source: SourceSettings) -> bool:
    """True when `[source]` maps the reference schema: whatever status words it uses, whatever is the same for all jobs,
    and whether or not they have a category, since tables that were made before there were any lack the column."""
    plain = SourceSettings()
    same: dict[str, object] = dict.fromkeys(("category_value", "track_opens_value", "track_clicks_value"))
    same["statuses"] = plain.job.statuses
    if source.job.category == CATEGORY:
        same["category"] = plain.job.category
    job = source.job.model_copy(update=same)
    email = source.email.model_copy(update={"statuses": plain.email.statuses})
    return source.model_copy(update={"job": job, "email": email}) == plain


@database.command("check")
@takes_json
@takes_config
@pass_session
def check(session: Session, as_json: bool) -> None:
    """Hold the mapping of [source] against the live database. Changes nothing.

    Ends with exit code 1 when there is an error.

    \b
    Example:
      eed-delivery db check
    """
    about_database = [finding for finding in caution_findings(session.settings) if finding.where == "database.url"]
    report(session.screen, [*about_database, *database_findings(session)], as_json)


def database_findings(session: Session) -> list[Finding]:
    """Everything about the database: URL, ledger, mapping. Raises `DatabaseGone`."""
    settings = session.settings

    def look(c: Connection) -> list[Finding]:
        return check_source(c, settings.source)

    problem = ledger_problem(session.database)
    ledger = Finding("ok", "ledger", f"its tables are at revision {migrations.head()}")
    if problem is not None:
        ledger = Finding("error", "ledger", problem.what, problem.remedy)
    notes = [Finding("ok", "database.url", note) for note in settings.database.url_notes]
    return [*notes, ledger, *session.database.run(look)]


def caution_findings(settings: Settings) -> list[Finding]:
    """What is allowed and less safe than the default, and settings that have old names."""
    unsafe = [Finding("warning", caution.key, caution.what, caution.remedy) for caution in cautions(settings)]
    return unsafe + [Finding("warning", old.setting, old.what, old.remedy) for old in settings.old_names]


def report(screen: Screen, findings: list[Finding], as_json: bool) -> None:
    """Show what was found; ends the command with exit code 1 when there is an error."""
    if as_json:
        screen.json({"ok": not _any_error(findings), "findings": findings})
    else:
        rows = [(f.level, f.where, _advice(f)) for f in findings]
        screen.table(("verdict", "where", "what"), rows, prose=("what",))
        counts = [(level, len([f for f in findings if f.level == level])) for level in _COUNTED]
        screen.line(", ".join(f"{count} {level}" for level, count in counts))
    if _any_error(findings):
        raise click.exceptions.Exit(NOT_POSSIBLE)


def _advice(finding: Finding) -> str:
    end = "" if finding.what.endswith((".", "!", "?")) else "."
    return f"{finding.what}{end} {finding.remedy}" if finding.remedy else finding.what


def _any_error(findings: list[Finding]) -> bool:
    return any(finding.level == "error" for finding in findings)


@click.group()
def queue() -> None:
    """Make a queue for development."""


@queue.command("init")
@click.option("--on-aws", is_flag=True, help="Do it on AWS, where config/queue.yaml is the better way.")
@takes_json
@takes_config
@pass_session
def init_queue(session: Session, on_aws: bool, as_json: bool) -> None:
    """Make the queue and its dead-letter queue, by the names in [queue]; or correct those that are there.

    For development, on the SQS of queue.endpoint_url. On AWS use config/queue.yaml, which also makes policies.

    \b
    Example:
      eed-delivery queue init
    """
    settings = session.settings.queue
    if settings.endpoint_url is None and not on_aws:
        raise NotPossible(
            "queue.endpoint_url is not set, so this is AWS itself. Make the queue with config/queue.yaml, "
            "or say --on-aws if you mean it."
        )
    name = _name(settings.url)
    dead_name = _name(settings.dead_letter_url) if settings.dead_letter_url else f"{name}-dead"
    try:
        made = _make_queues(session.app.sqs_client(), name, dead_name, session)
    except (BotoCoreError, ClientError) as error:
        raise QueueGone(f"the queue cannot be made: {str(error)[:300]}") from error
    if as_json:
        session.screen.json(made)
        return
    session.screen.table(("setting", "url"), [(f"queue.{setting}", url) for setting, url in made.items()])
    for setting, url in made.items():
        if url != getattr(settings, setting):
            session.screen.line(f'Put it into the configuration: [queue] {setting} = "{url}"')


def _name(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]


def _make_queues(client: "SQSClient", name: str, dead_name: str, session: Session) -> dict[str, str]:
    """CreateQueue takes a queue that is there only with the attributes it has, so those are set afterwards."""
    settings = session.settings.queue
    shared: dict[QueueAttributeNameType, str] = {
        "MessageRetentionPeriod": str(RETENTION_SECONDS),
        "VisibilityTimeout": str(settings.visibility_timeout_seconds),
    }
    dead = client.create_queue(QueueName=dead_name)["QueueUrl"]
    client.set_queue_attributes(QueueUrl=dead, Attributes=shared)
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": settings.max_receive_count})
    url = client.create_queue(QueueName=name)["QueueUrl"]
    long_poll: dict[QueueAttributeNameType, str] = {"ReceiveMessageWaitTimeSeconds": str(settings.wait_seconds)}
    client.set_queue_attributes(QueueUrl=url, Attributes={**shared, **long_poll, "RedrivePolicy": redrive})
    return {"url": url, "dead_letter_url": dead}
