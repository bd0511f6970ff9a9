"""Before the first run, makes the ledger's tables, checks the mapping, and makes a queue for development."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from eed_delivery.checks.findings import Finding
from eed_delivery.cli.failures import NOT_POSSIBLE
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import Screen
from eed_delivery.cli.session import Session, pass_session

_COUNTED = ("error", "warning", "ok")


@click.group("db")
def database() -> None:
    """Create the ledger's tables, and check the mapping."""


@database.command("init")
@click.option("--with-source", is_flag=True, help="Create the reference schema's delivery_… tables, too.")
@takes_config
@pass_session
def init(session: Session, with_source: bool) -> None:
    """Create the ledger's eed_ tables, or upgrade them to this release.

    Your own tables are never altered.

    \b
    Example:
      eed-delivery db init
    """
    made = session.operations.preparing.upgrade(with_source=with_source)
    session.screen.line(f"the ledger is at revision {made.revision}")
    if made.source_made:
        session.screen.line("the tables delivery_job, delivery_email and delivery_attachment exist")


@database.command("check")
@takes_json
@takes_config
@pass_session
def check(session: Session, as_json: bool) -> None:
    """Check the mapping of [source] against the live database.

    Changes nothing. Exit code 1 means that it found an error.

    \b
    Example:
      eed-delivery db check
    """
    report(session.screen, session.operations.preparing.check(), as_json)


def report(screen: Screen, findings: Sequence[Finding], as_json: bool) -> None:
    """Show what was found. Ends the command with exit code 1 when there is an error."""
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


def _any_error(findings: Sequence[Finding]) -> bool:
    return any(finding.level == "error" for finding in findings)


@click.group()
def queue() -> None:
    """Create a queue for development."""


@queue.command("init")
@click.option("--on-aws", is_flag=True, help="Allow AWS, where config/queue.yaml is the better way.")
@takes_json
@takes_config
@pass_session
def init_queue(session: Session, on_aws: bool, as_json: bool) -> None:
    """Create the queue and its dead-letter queue of [queue], or correct them if they exist.

    For development, on the SQS of queue.endpoint_url. On AWS use config/queue.yaml, which also creates policies.

    \b
    Example:
      eed-delivery queue init
    """
    made = asdict(session.operations.queue_making.make(on_aws=on_aws))
    if as_json:
        session.screen.json(made)
        return
    settings = session.settings.queue
    session.screen.table(("setting", "url"), [(f"queue.{setting}", url) for setting, url in made.items()])
    for setting, url in made.items():
        if url != getattr(settings, setting):
            session.screen.line(f'Put it into the configuration: [queue] {setting} = "{url}"')
