"""`eed-delivery check`: everything the service leans on, each with a verdict and what to do."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing

import click

from eed_delivery.checks.findings import Finding
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.preparing import caution_findings, database_findings, report
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import DeliveryFailure, EedError
from eed_delivery.queue import Queue
from eed_delivery.transports.ses.transport import account

SHORT_RETENTION_SECONDS = 4 * 86_400  # SQS's default; a queue that is paused over a long weekend outlives it


@click.command()
@takes_json
@takes_config
@pass_session
def check(session: Session, as_json: bool) -> None:
    """Check everything the service needs: each with a verdict.

    Configuration, database, queue, the way out, attachments, and what to do about each. Nothing is sent and nothing
    changed. Ends with exit code 1 when there is an error.

    \b
    Example:
      eed-delivery check --config /etc/eed-delivery/eed-delivery.toml
    """
    kind = session.settings.transport.kind
    checks: tuple[tuple[str, Callable[[Session], Iterator[Finding]]], ...] = (
        ("database", _database),
        ("queue", _queue),
        ("queue.dead_letter_url", _dead_letters),
        ("tracking.events_queue_url", _events),
        ("bounces.address", _bounces),
        ("web.base_url", _web),
        (f"transport {kind}", _transport),
        ("rendering.attachments_root", _attachments),
    )
    found = [Finding("ok", "configuration", f"{session.config or 'what the environment names'} is sound")]
    found.extend(caution_findings(session.settings))
    for where, look in checks:
        found.extend(_outcome(where, look, session))
    report(session.screen, found, as_json)


def _outcome(where: str, look: Callable[[Session], Iterator[Finding]], session: Session) -> list[Finding]:
    """One check's findings. What it needs and cannot have is a finding too, and the other checks still run."""
    try:
        return list(look(session))
    except DeliveryFailure as error:
        return [Finding("error", where, error.reply)]
    except EedError as error:
        return [Finding("error", where, str(error))]


def _database(session: Session) -> Iterator[Finding]:
    findings = database_findings(session)
    yield Finding("ok", "database", "it answers")
    for finding in findings:
        if finding.level != "ok" or finding.where in ("ledger", "database.url"):
            yield finding


def _queue(session: Session) -> Iterator[Finding]:
    settings = session.settings
    queue = session.app.queue()
    facts = queue.attributes()
    waiting = facts.get("ApproximateNumberOfMessages", "0")
    yield Finding("ok", "queue", f"it answers; about {waiting} messages wait")
    yield from _redrive(session, facts, queue)
    visibility = settings.queue.visibility_timeout_seconds
    if facts.get("VisibilityTimeout") != str(visibility):
        what = (
            f"its own visibility timeout is {facts.get('VisibilityTimeout')} s, and the service asks for {visibility}"
        )
        yield Finding("ok", "queue", what)
    retention = int(facts.get("MessageRetentionPeriod", "0"))
    if retention < SHORT_RETENTION_SECONDS:
        what = f"it forgets messages after {retention / 86_400:.1f} days"
        yield Finding("warning", "queue", what, "Set its MessageRetentionPeriod to 1209600 (14 days).")


def _redrive(session: Session, facts: dict[str, str], queue: Queue) -> Iterator[Finding]:
    wanted, attempts = session.settings.queue.max_receive_count, session.settings.worker.max_attempts
    if "RedrivePolicy" not in facts:
        what = "it has no RedrivePolicy: a message that kills its worker would come back for ever"
        yield Finding("error", "queue", what, "Make it with config/queue.yaml, or with eed-delivery queue init.")
        return
    policy = json.loads(facts["RedrivePolicy"])
    count = int(policy["maxReceiveCount"])
    if count <= attempts:
        what = f"its maxReceiveCount is {count}, not more than worker.max_attempts = {attempts}"
        yield Finding("error", "queue", what, f"Set it to {wanted}: retries would end in the dead-letter queue.")
    elif count != wanted:
        what = f"its maxReceiveCount is {count}, and queue.max_receive_count says {wanted}"
        yield Finding("warning", "queue", what, "Make the two the same.")
    else:
        yield Finding("ok", "queue", f"a message goes to the dead-letter queue after {count} receives")
    if queue.dead_letter_url is not None:
        yield from _same_target(queue, str(policy["deadLetterTargetArn"]))


def _same_target(queue: Queue, target: str) -> Iterator[Finding]:
    arn = queue.attributes(queue.dead_letter_url)["QueueArn"]
    if arn != target:
        what = f"its RedrivePolicy leads to {target}, but queue.dead_letter_url is {arn}"
        yield Finding("error", "queue", what, "Dead letters would not be seen. Correct one of the two.")


def _dead_letters(session: Session) -> Iterator[Finding]:
    where = "queue.dead_letter_url"
    depth = session.app.queue().depth(dead=True)
    if depth is None:
        what = "it is not set: emails whose messages end in the dead-letter queue stay queued for long"
        yield Finding("warning", where, what, "Give the dead-letter queue's URL.")
    elif depth.empty:
        yield Finding("ok", where, "it answers, and is empty")
    else:
        count = depth.visible + depth.in_flight + depth.delayed
        what = f"about {count} dead letters are in it"
        yield Finding("warning", where, what, "The sweeper settles ours within an hour; look at those that stay.")


def _events(session: Session) -> Iterator[Finding]:
    where, url = "tracking.events_queue_url", session.settings.tracking.events_queue_url
    if url is None:
        yield Finding("ok", where, "it is not set: what becomes of emails after they have left is not tracked")
        return
    facts = session.app.events_queue(url).attributes()
    yield Finding("ok", where, f"it answers; about {facts.get('ApproximateNumberOfMessages', '0')} messages wait")
    if "RedrivePolicy" not in facts:
        what = "it has no RedrivePolicy: what cannot be understood comes again until the queue forgets it"
        yield Finding("warning", where, what, "Give it a dead-letter queue, with a maxReceiveCount of 10.")
    if session.settings.transport.kind == "ses" and not session.settings.ses.configuration_set:
        what = "ses.configuration_set is not set: SES publishes events only for emails that name one"
        yield Finding("warning", where, what, "Set it to the configuration set whose events go to this queue.")


def _bounces(session: Session) -> Iterator[Finding]:
    where, bounces = "bounces.address", session.settings.bounces
    if session.app.verp() is None:
        yield Finding("ok", where, "it is not set: bounces by mail are not tracked")
    elif session.settings.transport.kind == "ses":
        yield Finding("ok", where, "it is for what was sent by SMTP; SES tells by events")
    else:
        way = f"listened for at {bounces.listen}" if bounces.listen else "taken by eed-delivery bounce alone"
        yield Finding("ok", where, f"each email has a sender of its own at {bounces.address}; bounces are {way}")


def _web(session: Session) -> Iterator[Finding]:
    where, web = "web.base_url", session.settings.web
    if web.base_url is None:
        yield Finding("ok", where, "it is not set: no email has links of ours in it, and nobody can unsubscribe by one")
    else:
        way = f"answered at {web.listen}" if web.listen else "answered by another host, since web.listen is not set"
        yield Finding("ok", where, f"links in emails lead to {web.base_url}, and are {way}")


def _transport(session: Session) -> Iterator[Finding]:
    settings = session.settings
    where = f"transport {settings.transport.kind}"
    with closing(session.app.transport_factory()()) as transport:
        transport.probe()
    yield Finding("ok", where, "the way out works; nothing was sent")
    if settings.transport.kind == "eml_folder":
        what = f"emails are not sent, but written to {settings.eml_folder.directory}"
        yield Finding("warning", where, what, 'That is a rehearsal: set transport.kind to "smtp" or "ses" for real.')
    if settings.transport.kind == "ses":
        quota = account(session.app.ses_client())
        left = "no limit" if quota.max_24_hour_send < 0 else f"{quota.max_24_hour_send - quota.sent_last_24_hours:,.0f}"
        yield Finding("ok", where, f"SES allows {quota.max_send_rate:g} a second; left for these 24 hours: {left}")


def _attachments(session: Session) -> Iterator[Finding]:
    where = "rendering.attachments_root"
    root = session.settings.rendering.attachments_root
    if root is None:
        yield Finding("ok", where, "it is not set: emails can have no attachments from this host's disk")
    elif not root.is_dir():
        yield Finding("error", where, f"{root} is not a directory", "Correct the path, or mount it.")
    elif not os.access(root, os.R_OK | os.X_OK):
        yield Finding("error", where, f"{root} cannot be read by this user", "Give the service's user the right.")
    else:
        yield Finding("ok", where, f"{root} can be read")
