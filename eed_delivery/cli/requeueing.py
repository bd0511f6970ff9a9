"""`requeue` gives failed emails a new generation, so that they are sent again. Works while the service runs."""

import sys
from datetime import datetime

import click

from eed_delivery.cli import options, values
from eed_delivery.cli.options import takes_alone, takes_config, takes_json
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import NotPossible
from eed_delivery.model import EmailState
from eed_delivery.operations.requeueing import RequeueRequest


@click.command()
@click.option(
    "--job", "jobs", metavar="JOB", multiple=True, type=options.key, help="Requeue emails of this job. Repeatable."
)
@click.option(
    "--email", "emails", metavar="EMAIL", multiple=True, type=options.key, help="Requeue this email. Repeatable."
)
@click.option("--all", "every", is_flag=True, help="Requeue emails of all jobs.")
@click.option("--since", type=options.since, help="Only emails that ended since 30m, 2h, 1d, or 2026-12-31T18:00:00Z.")
@click.option("--error-like", metavar="TEXT", help="Only emails whose reason contains TEXT.")
@click.option("--state", type=click.Choice(["failed", "in_doubt"]), default="failed", show_default=True)
@click.option("--accept-duplicates", is_flag=True, help="Accept that some emails in doubt arrive twice.")
@click.option("--reason", type=values.text, help="Say why. Kept in the audit.")
@takes_alone
@click.option("--yes", is_flag=True, help="Skip the question.")
@click.option("--dry-run", is_flag=True, help="Count only, and change nothing.")
@takes_json
@takes_config
@pass_session
def requeue(
    session: Session,
    jobs: tuple[str, ...],
    emails: tuple[str, ...],
    every: bool,
    since: float | datetime | None,
    error_like: str | None,
    state: str,
    accept_duplicates: bool,
    reason: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send failed emails again.

    Shows their number and asks first. The service may be running, and needs no restart. An email must match all options
    that are given. Emails of a cancelled job stay unchanged.

    \b
    Example:
      eed-delivery requeue --job 42 --since 2h --error-like "mailbox full"
    """
    _refuse_unclear(jobs, emails, every, state, accept_duplicates)
    if session.alone and not reason:
        raise click.UsageError("--alone needs --reason.")
    request = RequeueRequest(EmailState(state), jobs, emails, every, since, error_like, accept_duplicates)
    preview = session.operations.requeueing.preview(request)
    count, elsewhere, done = preview.count, preview.readdressed, 0
    if count and not dry_run:
        _ask(count, elsewhere, state, yes)
        done = session.operations.requeueing.requeue(preview, reason)
    if as_json:
        counts = {"count": count, "addresses_changed": elsewhere, "requeued": done}
        session.screen.json({"state": state, "dry_run": dry_run, **counts})
    else:
        session.screen.line(_told(count, elsewhere, done, state, dry_run))


def _refuse_unclear(
    jobs: tuple[str, ...], emails: tuple[str, ...], every: bool, state: str, accept_duplicates: bool
) -> None:
    if not (jobs or emails or every):
        raise click.UsageError("Name the emails with --job JOB, --email EMAIL, or --all.")
    if every and (jobs or emails):
        raise click.UsageError("--all means every job. Leave it out, or leave out --job and --email.")
    if state == EmailState.IN_DOUBT and not accept_duplicates:
        raise click.UsageError(
            "An email in doubt may have arrived. Check the mail server's log and use eed-delivery settle, "
            "or add --accept-duplicates to send them all again."
        )


def _ask(count: int, elsewhere: int, state: str, yes: bool) -> None:
    """Ask the person at the terminal. Without a terminal, refuse at once instead of waiting indefinitely."""
    if yes:
        return
    question = f"{_emails(count)} {state} will be sent again{_where_to(elsewhere)}"
    if not sys.stdin.isatty():
        raise NotPossible(f"{question}, and there is no terminal to ask at. Add --yes, or --dry-run to count only.")
    click.confirm(f"{question}. Go on?", abort=True, err=True)


def _told(count: int, elsewhere: int, done: int, state: str, dry_run: bool) -> str:
    if dry_run:
        return f"{_emails(count)} {state} would be sent again{_where_to(elsewhere)}. Nothing was changed"
    if not count:
        return f"nothing to requeue: no {state} email matches"
    missing = f". {count - done:,} had changed meanwhile" if done < count else ""
    return f"{_emails(done)} will be sent again{_where_to(elsewhere)}{missing}"


def _where_to(elsewhere: int) -> str:
    return f" ({elsewhere:,} to an address that the source has changed)" if elsewhere else ""


def _emails(count: int) -> str:
    return f"{count:,} email" if count == 1 else f"{count:,} emails"
