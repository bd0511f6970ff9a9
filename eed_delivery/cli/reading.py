"""What became of jobs, and of the emails of one."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import click

from eed_delivery.cli import options
from eed_delivery.cli.one_email import email_record
from eed_delivery.cli.one_job import job_record
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.waiting import show_waiting_jobs, waiting_record
from eed_delivery.model import EmailState
from eed_delivery.operations.emails import OUTCOMES, EmailReport, EmailsPage, EmailsRequest
from eed_delivery.operations.forecasts.kept import StoredForecast
from eed_delivery.operations.forecasts.words import kept_words
from eed_delivery.operations.jobs import JobReport, JobsRequest

NEWEST_JOBS = 20
EVERY_JOB = 1_000_000
TABLE_ROWS = 1000
EMAIL_COLUMNS = (
    *("email", "recipient", "state", "attempts", "gen", "detail", "message_id", "not_before", "changed_at"),
    *("outcome", "outcome_at", "opens", "clicks", "machine_opens", "machine_clicks", "wire_at", "lease_until"),
)
CHANGED = {"changed": "changed_at"}
TIMES: Mapping[EmailState | None, Mapping[str, str]] = {
    EmailState.IN_DOUBT: {"handed over": "wire_at"},
    EmailState.SENDING: {"handed over": "wire_at", "lease ends": "lease_until"},
}
"""The times that a table of emails in one state shows: those in doubt changed only when the sweeper gave up on them."""


@click.command()
@click.option("--all", "every", is_flag=True, help=f"List all jobs, not only the {NEWEST_JOBS} newest.")
@click.option("--unfinished", is_flag=True, help="List only jobs that have not ended.")
@takes_json
@takes_config
@pass_session
def jobs(session: Session, every: bool, unfinished: bool, as_json: bool) -> None:
    """List jobs, the newest first, and scheduled jobs below.

    \b
    Example:
      eed-delivery jobs --unfinished
    """
    limit = EVERY_JOB if every else NEWEST_JOBS
    page = session.operations.jobs.page(JobsRequest(limit, unfinished_only=unfinished))
    found, waiting = page.jobs, page.waiting
    if page.waiting_problem is not None:
        problem = f"warning: the scheduled jobs cannot be read: {page.waiting_problem}"
        click.echo(problem, err=True)
    kept = session.operations.kept_forecasts.all()
    if as_json:
        records = [job_record(one) | {"forecast": _forecast_record(kept.get(one.key))} for one in found]
        session.screen.json([*records, *map(waiting_record, waiting)])
        return
    forecasts = [kept_words(kept.get(one.key)) for one in found]
    columns: tuple[str, ...] = (
        "job",
        "name",
        "state",
        "total",
        "sent",
        "failed",
        "in doubt",
        "open",
        "created",
        "reason",
    )
    spare: tuple[str, ...] = ("created", "open", "name")
    rows = list(map(_job_row, found))
    if any(forecasts):
        columns = (*columns[:-1], "forecast", "reason")
        rows = [(*row[:-1], words, row[-1]) for row, words in zip(rows, forecasts, strict=True)]
        spare = (*spare, "forecast")
    session.screen.table(columns, rows, prose=("name", "reason"), spare=spare)
    if not found:
        session.screen.line("there are none")
    if len(found) == limit:
        session.screen.line(f"only the {limit} newest are shown. --all shows the others too")
    show_waiting_jobs(session, waiting, limit)


def _forecast_record(kept: StoredForecast | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    return {"verdict": kept.verdict, "ends": kept.end, "margin_seconds": kept.margin}


def _job_row(report: JobReport) -> tuple[object, ...]:
    c = report.counts
    ended = (c[EmailState.SENT], c[EmailState.FAILED], c[EmailState.IN_DOUBT])
    still_open = report.total - report.done
    facts = (report.key, report.name, report.state, report.total, *ended, still_open, report.created_at)
    return (*facts, report.reason or (f"{report.refused:,} rows refused" if report.refused else None))


@click.command()
@click.argument("key", metavar="[JOB]", required=False, type=options.key)
@click.option("--to", metavar="ADDRESS", help="List all emails to this address, in any spelling, instead of a job's.")
@click.option(
    "--state", type=click.Choice([state.value for state in EmailState]), help="List only emails in this state."
)
@click.option("--outcome", type=click.Choice(OUTCOMES), help="List only sent emails with this outcome.")
@click.option("--format", "kind", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--json", "kind", flag_value="json", help="Write JSON, like --format json.")
@click.option("--limit", type=click.IntRange(min=1), help=f"List at most N emails. Default for a table: {TABLE_ROWS}.")
@takes_config
@pass_session
def emails(
    session: Session,
    key: str | None,
    to: str | None,
    state: str | None,
    outcome: str | None,
    kind: str,
    limit: int | None,
) -> None:
    """List the emails of a job, or those to an address.

    CSV and JSON are written row by row, so half a million emails are no problem. They include opens and clicks, and
    count those by machines separately. In CSV, a cell gets a ' in front if a spreadsheet would read it as a formula,
    or if it begins with a '.

    --outcome no_word_yet lists sent emails without a delivery event.

    \b
    Example:
      eed-delivery emails 42 --state failed --format csv > failed.csv
      eed-delivery emails --to anna@example.com
    """
    _refuse_unclear(key, to, state, outcome)
    request = EmailsRequest(key, to, EmailState(state) if state else None, outcome)
    if kind == "table":
        _show_emails(session, request, limit or TABLE_ROWS)
        return
    emails = session.operations.emails
    beside = emails.with_engagement(islice(emails.each(request), limit))
    records = (email_record(email) | record(engagement) for email, engagement in beside)
    if kind == "json":
        session.screen.json_array(records)
    else:
        session.screen.csv(EMAIL_COLUMNS, map(_values, records))


def _refuse_unclear(key: str | None, to: str | None, state: str | None, outcome: str | None) -> None:
    if (key is None) == (to is None):
        raise click.UsageError("Name a JOB, or an address with --to.")
    if to is not None and (state or outcome):
        raise click.UsageError("--state and --outcome need a JOB. Leave them out with --to.")


def _values(facts: dict[str, Any]) -> list[object]:
    return [facts[name] for name in EMAIL_COLUMNS]


def _show_emails(session: Session, request: EmailsRequest, limit: int) -> None:
    page = session.operations.emails.page(request, limit)
    times = TIMES.get(request.state, CHANGED)
    with_jobs = request.to is not None
    columns = ("email", "recipient", "state", "outcome", "attempts", *times, "detail")
    rows = [_email_row(email, times, page if with_jobs else None) for email in page.emails]
    spare = ("attempts", *(name for name in times if name in CHANGED), "outcome")
    session.screen.table(("job", *columns) if with_jobs else columns, rows, prose=("detail",), spare=spare)
    if not page.emails:
        session.screen.line("there are none")
    if page.next_after is not None:
        session.screen.line(f"only the first {limit:,} are shown. Use --limit, or --format csv for all")


def _email_row(email: EmailReport, times: Mapping[str, str], page: EmailsPage | None) -> tuple[object, ...]:
    """`page` is there where the emails are of several jobs."""
    job = () if page is None else (page.job_keys.get(email.job_id),)
    moments = (getattr(email, name) for name in times.values())
    return (*job, email.key, email.recipient, email.state, email.outcome, email.attempts, *moments, email.detail)
