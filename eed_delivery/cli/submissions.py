"""`submission`: jobs whose registration broke off, listed and discarded."""

import click

from eed_delivery.cli import options, values
from eed_delivery.cli.lists import show_list
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.session import Session, pass_session


@click.group()
def submission() -> None:
    """List and discard jobs whose last row is not in. None of their emails is sent."""


@submission.command("list")
@takes_json
@takes_config
@pass_session
def list_submissions(session: Session, as_json: bool) -> None:
    """List jobs that are not complete, the newest first.

    The operation of a job still registers it. Without one, a `submit` is at work, or was killed.

    \b
    Example:
      eed-delivery submission list
    """
    found, columns = session.operations.incomplete_jobs.all(), ("key", "name", "operation")
    show_list(session, found, columns, lambda one: (one.key, one.name, one.operation), as_json=as_json)


@submission.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", required=True, type=values.text, help="Say why. Kept in the audit.")
@takes_config
@pass_session
def discard(session: Session, key: str, reason: str) -> None:
    """Discard a job that is not complete.

    It is marked as cancelled in the source, and its rows stay there. To send it, submit its file again.

    \b
    Example:
      eed-delivery submission discard 42 --reason "the wrong file"
    """
    session.operations.incomplete_jobs.discard(key, reason)
    session.screen.line(f"job {key} is discarded. None of its emails was sent")


def left_job(session: Session, key: str) -> str:
    """What is to be said of a job that an operation will not complete."""
    command = session.command("submission", "discard", key, "--reason", "WHY")
    return f"job {key} is not complete. It stays 'preparing', and none of its emails is sent. Discard it: {command}"
