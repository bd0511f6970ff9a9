"""What became of it: jobs, one job, its emails, one email with everything that was tried, and the live processes."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record, when
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.watching import watch_job
from eed_delivery.ledger.operating import NotPossible
from eed_delivery.ledger.reporting import AttemptReport, EmailReport, JobReport
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.model import EmailState

NEWEST_JOBS = 20
EVERY_JOB = 1_000_000
DOUBTS_SHOWN = 10
TABLE_ROWS = 1000
EMAIL_COLUMNS = ("email", "recipient", "state", "attempts", "gen", "detail", "message_id", "not_before", "changed_at")


@click.command()
@click.option("--all", "every", is_flag=True, help=f"All jobs, not only the {NEWEST_JOBS} newest.")
@click.option("--unfinished", is_flag=True, help="Only jobs that have not ended.")
@takes_json
@takes_config
@pass_session
def jobs(session: Session, every: bool, unfinished: bool, as_json: bool) -> None:
    """List jobs, the newest first.

    \b
    Example:
      eed-delivery jobs --unfinished
    """
    limit = EVERY_JOB if every else NEWEST_JOBS
    found = session.reporting.jobs(limit=limit, unfinished_only=unfinished)
    if as_json:
        session.screen.json([job_record(report) for report in found])
        return
    columns = ("job", "name", "state", "total", "sent", "failed", "in doubt", "open", "created")
    session.screen.table(columns, map(_job_row, found))
    if not found:
        session.screen.line("there are none")
    if len(found) == limit:
        session.screen.line(f"only the {limit} newest are shown; --all shows the others too")


def _job_row(report: JobReport) -> tuple[object, ...]:
    c = report.counts
    ended = (c[EmailState.SENT], c[EmailState.FAILED], c[EmailState.IN_DOUBT])
    return (report.key, report.name, report.state, report.total, *ended, report.total - report.done, report.created_at)


def job_record(report: JobReport) -> dict[str, Any]:
    """A job as JSON."""
    facts = record(report) | {"done": report.done, "balanced": report.balanced, "emails_per_second": report.rate}
    return {"job": facts.pop("key")} | facts


@click.command()
@click.argument("key", type=options.key)
@click.option("--watch", is_flag=True, help="Look again each second until the job has finished.")
@takes_json
@takes_config
@pass_session
def job(session: Session, key: str, watch: bool, as_json: bool) -> None:
    """Show a job: its counts, its rate, its troubles.

    Says why emails failed and what to do about it. With --watch and --json there is a line of JSON for each change.

    \b
    Example:
      eed-delivery job 42 --watch
    """
    job_id = session.job_id(key)
    if watch:
        report = watch_job(session.screen, session.reporting, job_id, job_record if as_json else None)
    else:
        report = session.reporting.job(job_id)
    if report is None:
        raise NotPossible(f"there is no job {key}. eed-delivery jobs lists them.")
    if not as_json:
        _show_job(session, report)
    elif not watch:
        session.screen.json(job_record(report) | _job_troubles(session, report))


def _job_troubles(session: Session, report: JobReport) -> dict[str, Any]:
    reasons = session.reporting.failures(report.job_id)
    return {
        "reasons": [{"state": state, "detail": detail, "count": count} for state, detail, count in reasons],
        "in_doubt": [email_record(doubt) for doubt in _doubts(session, report)],
    }


def _doubts(session: Session, report: JobReport) -> list[EmailReport]:
    if not report.counts[EmailState.IN_DOUBT]:
        return []
    found = session.reporting.emails(report.job_id, EmailState.IN_DOUBT, page=DOUBTS_SHOWN)
    return list(islice(found, DOUBTS_SHOWN))


def _show_job(session: Session, report: JobReport) -> None:
    screen = session.screen
    screen.line(f"job {report.key}  {report.name}", style="bold")
    screen.line(f"{report.state}{f': {report.reason}' if report.reason else ''}")
    finished = f"finished {when(report.finished_at)}" if report.finished_at else "not finished"
    pace = f"{report.running_seconds:,.0f} s, {report.rate:,.1f} emails a second"
    screen.line(f"registered {when(report.created_at)}, {finished}; {pace}")
    screen.line()
    shown = [(state, count) for state, count in report.counts.items() if count or state is EmailState.SENT]
    screen.table(("state", "emails"), shown)
    screen.line(_balance(report))
    if report.not_enlisted:
        screen.line(f"{report.not_enlisted:,} more had been settled before this service took the job up")
    _show_reasons(session, report)
    _show_doubts(session, report)
    _show_next(session, report)


def _balance(report: JobReport) -> str:
    if not report.enlisted:
        return f"{report.total:,} emails so far: the job is still being taken up"
    if not report.balanced:
        return f"{report.done:,} of {report.total:,} emails have ended"
    ended = [(state, count) for state, count in report.counts.items() if count] or [(EmailState.SENT, 0)]
    return f"balanced: {report.total:,} = " + " + ".join(f"{count:,} {state}" for state, count in ended)


def _show_reasons(session: Session, report: JobReport) -> None:
    reasons = session.reporting.failures(report.job_id)
    if reasons:
        session.screen.line()
        session.screen.table(("emails", "state", "reason"), [(n, state, detail) for state, detail, n in reasons])


def _show_doubts(session: Session, report: JobReport) -> None:
    doubts = _doubts(session, report)
    if not doubts:
        return
    count = report.counts[EmailState.IN_DOUBT]
    session.screen.line()
    session.screen.line(f"{count:,} in doubt: the mail server may have taken them, or not. Look into its log, then:")
    for doubt in doubts:
        key = ["--", doubt.key] if doubt.key.startswith("-") else [doubt.key]
        session.screen.line(f"  {doubt.key}: {doubt.detail or 'no reason is known'}")
        session.screen.line(f"    it arrived:  {session.command('settle', '--as', 'sent', *key)}")
        session.screen.line(f"    it did not:  {session.command('settle', '--as', 'failed', *key)}")
    if count > len(doubts):
        session.screen.line(f"  all of them: {session.command('emails', report.key, '--state', 'in_doubt')}")


def _show_next(session: Session, report: JobReport) -> None:
    failed, paused = report.counts[EmailState.FAILED], report.state == "paused"
    if failed or paused:
        session.screen.line()
    if failed:
        session.screen.line(f"send the failed again:  {session.command('requeue', '--job', report.key)}")
    if paused:
        session.screen.line(f"let the job go on:  {session.command('resume', report.key)}")


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--state", type=click.Choice([state.value for state in EmailState]), help="Only those in this state.")
@click.option("--format", "kind", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--json", "kind", flag_value="json", help="The same as --format json.")
@click.option("--limit", type=click.IntRange(min=1), help=f"At most so many; a table shows {TABLE_ROWS} by itself.")
@takes_config
@pass_session
def emails(session: Session, key: str, state: str | None, kind: str, limit: int | None) -> None:
    """List a job's emails, as a table, CSV or JSON. CSV and JSON are written as they are read, half a million too.

    In CSV a cell that a spreadsheet would take for a formula gets a ' before it.

    \b
    Example:
      eed-delivery emails 42 --state failed --format csv > failed.csv
    """
    found = session.reporting.emails(session.job_id(key), EmailState(state) if state else None)
    if kind == "table":
        _show_emails(session, found, limit or TABLE_ROWS)
    elif kind == "json":
        session.screen.json_array(map(email_record, islice(found, limit)))
    else:
        session.screen.csv(EMAIL_COLUMNS, (_values(email_record(email)) for email in islice(found, limit)))


def _values(facts: dict[str, Any]) -> list[object]:
    return [facts[name] for name in EMAIL_COLUMNS]


def _show_emails(session: Session, found: Iterator[EmailReport], limit: int) -> None:
    shown = list(islice(found, limit))
    columns = ("email", "recipient", "state", "attempts", "changed", "detail")
    rows: Iterable[tuple[object, ...]] = [
        (e.key, e.recipient, e.state, e.attempts, e.changed_at, e.detail) for e in shown
    ]
    session.screen.table(columns, rows)
    if not shown:
        session.screen.line("there are none")
    if next(found, None) is not None:
        session.screen.line(f"only the first {limit:,} are shown; see --limit, or --format csv for all")


def email_record(report: EmailReport) -> dict[str, Any]:
    """An email as JSON."""
    facts = record(report)
    return {"email": facts.pop("key")} | facts


@click.command()
@click.argument("key", type=options.key)
@takes_json
@takes_config
@pass_session
def email(session: Session, key: str, as_json: bool) -> None:
    """Show one email: where it stands, and every attempt.

    \b
    Example:
      eed-delivery email 1047
    """
    email_id = session.email_id(key)
    report = session.reporting.email(email_id)
    if report is None:
        raise NotPossible(f"there is no email {key} in the ledger.")
    parent = session.reporting.job(report.job_id)
    job_key = parent.key if parent else str(report.job_id)
    if as_json:
        history = [record(attempt) for attempt in session.reporting.attempts(email_id)]
        session.screen.json(email_record(report) | {"job": job_key, "history": history})
        return
    _show_email(session, report, job_key)


def _show_email(session: Session, report: EmailReport, job_key: str) -> None:
    screen = session.screen
    screen.line(f"email {report.key} of job {job_key}", style="bold")
    facts = {
        "recipient": report.recipient,
        "state": report.state,
        "reason": report.detail,
        "taken as": report.message_id,
        "header id": f"<{report.email_id}.{report.gen}@{session.settings.rendering.message_id_domain}>",
        "not before": report.not_before,
        "changed": report.changed_at,
        "attempts": report.attempts,
        "generation": report.gen,
    }
    for name, value in facts.items():
        if value is not None:
            screen.line(f"{name + ':':<12}{value if isinstance(value, str | int) else when(value)}")
    screen.line()
    attempts = session.reporting.attempts(report.email_id)
    if not attempts:
        screen.line("nothing has been tried yet")
        return
    columns = ("ended", "gen", "attempt", "verdict", "counted", "code", "reply", "took ms", "by")
    screen.table(columns, map(_attempt_row, attempts))


def _attempt_row(a: AttemptReport) -> tuple[object, ...]:
    code = " ".join(str(part) for part in (a.code, a.enhanced) if part is not None)
    counted = "yes" if a.counted else "no"
    return (a.ended_at, a.gen, a.attempt, a.verdict, counted, code, a.reply, a.took_ms, a.worker)


@click.command()
@takes_json
@takes_config
@pass_session
def processes(session: Session, as_json: bool) -> None:
    """List the live worker processes of all hosts, and whether they send.

    \b
    Example:
      eed-delivery processes
    """
    found = WorkerLedger(session.database).all()
    if as_json:
        session.screen.json([record(process) for process in found])
        return
    columns = ("process", "role", "threads", "sending", "heard of, s ago", "detail")
    rows = [(p.worker_id, p.role, p.threads, "yes" if p.sending else "no", p.age, p.detail) for p in found]
    session.screen.table(columns, rows)
    if not found:
        session.screen.line("no worker was heard of today")
