"""What became of it: jobs, one job, its emails, and the live processes."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from eed_delivery.checks.findings import brief
from eed_delivery.cli import options
from eed_delivery.cli.one_email import email_record
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import BOLD, STYLES, ago, record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.waiting import SCHEDULED, scheduled, show_waiting_job, show_waiting_jobs, waiting_record
from eed_delivery.errors import NotPossible
from eed_delivery.events import DeliveryOutcome
from eed_delivery.hints import key_words
from eed_delivery.ledger.acts import ActLedger
from eed_delivery.ledger.reporting import NO_WORD_YET, EmailReport, JobReport
from eed_delivery.ledger.tracking.engagement import EngagementLedger, JobEngagement
from eed_delivery.ledger.tracking.outcomes import OutcomeLedger, OutcomeReport
from eed_delivery.ledger.workers import SeenProcess, WorkerLedger
from eed_delivery.model import EmailState, JobState, WaitingJob
from eed_delivery.reports.moments import both_times
from eed_delivery.reports.reasons import Reasons
from eed_delivery.reports.served import REFUSED, Served, served
from eed_delivery.reports.tracked import NOT_TRACKED, Tracked, tracked

NEWEST_JOBS = 20
EVERY_JOB = 1_000_000
DOUBTS_SHOWN = 10
REASONS_SHOWN = 10
ACTS_SHOWN = 50
TABLE_ROWS = 1000
OUTCOMES = (*(outcome.value for outcome in DeliveryOutcome), NO_WORD_YET)
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
@click.option("--all", "every", is_flag=True, help=f"All jobs, not only the {NEWEST_JOBS} newest.")
@click.option("--unfinished", is_flag=True, help="Only jobs that have not ended.")
@takes_json
@takes_config
@pass_session
def jobs(session: Session, every: bool, unfinished: bool, as_json: bool) -> None:
    """List jobs, the newest first, and those that wait for their time.

    \b
    Example:
      eed-delivery jobs --unfinished
    """
    limit = EVERY_JOB if every else NEWEST_JOBS
    found = session.reporting.jobs(limit=limit, unfinished_only=unfinished)
    waiting = _waiting(session, limit)
    if as_json:
        session.screen.json([*map(job_record, found), *map(waiting_record, waiting)])
        return
    columns = ("job", "name", "state", "total", "sent", "failed", "in doubt", "open", "created", "reason")
    session.screen.table(columns, map(_job_row, found), prose=("name", "reason"), spare=("created", "open", "name"))
    if not found:
        session.screen.line("there are none")
    if len(found) == limit:
        session.screen.line(f"only the {limit} newest are shown; --all shows the others too")
    show_waiting_jobs(session, waiting, limit)


def _waiting(session: Session, limit: int) -> list[WaitingJob]:
    """From the source. Should it refuse, the ledger's jobs are shown all the same."""
    try:
        return session.scheduling.waiting(limit)
    except DBAPIError as error:
        click.echo(f"warning: the jobs that wait for their time cannot be read: {brief(error)}", err=True)
        return []


def _job_row(report: JobReport) -> tuple[object, ...]:
    c = report.counts
    ended = (c[EmailState.SENT], c[EmailState.FAILED], c[EmailState.IN_DOUBT])
    still_open = report.total - report.done
    facts = (report.key, report.name, report.state, report.total, *ended, still_open, report.created_at)
    return (*facts, report.reason or (f"{report.refused:,} rows refused" if report.refused else None))


def job_record(report: JobReport) -> dict[str, Any]:
    """A job as JSON."""
    facts = record(report) | {
        "done": report.done,
        "balanced": report.balanced,
        "accounted": report.accounted,
        "emails_per_second": report.rate,
    }
    return {"job": facts.pop("key")} | facts


@click.command()
@click.argument("key", type=options.key)
@click.option("--watch", is_flag=True, help="Look again each second until the job has finished.")
@takes_json
@takes_config
@pass_session
def job(session: Session, key: str, watch: bool, as_json: bool) -> None:
    """Show a job: its counts, its rate, its troubles.

    Says what became of the sent emails, why others failed, and what to do about it.
    With --watch and --json there is a line of JSON for each change.

    \b
    Example:
      eed-delivery job 42 --watch
    """
    if not watch and (waiting := session.operations.keys.waiting_job(key)) is not None:
        if as_json:
            session.screen.json(waiting_record(waiting) | {"emails": session.scheduling.emails(waiting)})
        else:
            show_waiting_job(session, waiting)
        return
    job_id = session.operations.keys.job_id(key)
    if watch:
        from eed_delivery.cli.watching import watch_job  # and with it the progress bar

        report = watch_job(session.screen, session.reporting, job_id, job_record if as_json else None)
    else:
        report = session.reporting.job(job_id)
    if report is None:
        raise NotPossible(f"there is no job {key}. eed-delivery jobs lists them.")
    if not as_json:
        _show_job(session, report)
    elif not watch:
        recent = {"recent_emails_per_second": session.reporting.recent_rate(report).per_second}
        rest = _job_outcomes(session, report) | _job_troubles(session, report)
        session.screen.json(job_record(report) | recent | rest)


def _job_outcomes(session: Session, report: JobReport) -> dict[str, Any]:
    outcomes = record(OutcomeLedger(session.database).of_job(report.job_id))
    return {
        "outcomes": outcomes,
        "tracked": record(tracked(session.settings, outcomes)),
        "engagement": record(EngagementLedger(session.database).of_job(report.job_id)),
    }


def _job_troubles(session: Session, report: JobReport) -> dict[str, Any]:
    reasons, others = _reasons(session, report)
    return {
        "reasons": [{"state": state, "detail": detail, "count": count} for state, detail, count in reasons],
        "other_reasons": others,
        "acts": [record(act) for act in ActLedger(session.database).of_job(report.job_id)],
        "in_doubt": [email_record(doubt) for doubt in _doubts(session, report)],
    }


def _doubts(session: Session, report: JobReport) -> list[EmailReport]:
    if not report.counts[EmailState.IN_DOUBT]:
        return []
    found = session.reporting.emails(report.job_id, EmailState.IN_DOUBT, page=DOUBTS_SHOWN)
    return list(islice(found, DOUBTS_SHOWN))


def _show_job(session: Session, report: JobReport) -> None:
    screen = session.screen
    screen.line(f"job {report.key}  {report.name}", style=BOLD)
    screen.prose(f"{report.state}{f': {report.reason}' if report.reason else ''}")
    if not report.watched:
        screen.line("unwatched: bounces and complaints do not pause it")
    finished = f"finished {both_times(report.finished_at)}" if report.finished_at else "not finished"
    screen.line(f"registered {both_times(report.created_at)}, {finished}")
    if report.state is JobState.PAUSED and (waiting := session.scheduling.job(report.key)) is not None:
        screen.line(f"{SCHEDULED} for {scheduled(waiting)}")
    screen.line(_rates(session, report))
    screen.line()
    outcomes = OutcomeLedger(session.database).of_job(report.job_id)
    shown = [(state, count) for state, count in report.counts.items() if count or state is EmailState.SENT]
    screen.table(("state", "emails"), [*shown, *([(REFUSED, report.refused)] if report.refused else [])])
    _show_served(session, served(report.counts, report.refused, outcomes.hard_bounced))
    screen.prose(_balance(report))
    if report.enlisted and not report.accounted:
        screen.prose(f"not every row found is accounted for: {_found(report)}. Run eed-delivery reconcile.")
    if report.not_enlisted:
        screen.line(f"{report.not_enlisted:,} more had been settled before this service took the job up")
    if report.refused or report.moved or report.regenerated or report.resent:
        screen.prose(_found(report))
    _show_outcomes(session, report, outcomes)
    _show_reasons(session, report)
    _show_acts(session, report)
    _show_doubts(session, report)
    _show_next(session, report)


def _rates(session: Session, report: JobReport) -> str:
    average = f"{report.running_seconds:,.0f} s, {report.rate:,.1f} emails a second on average"
    if report.finished_at is not None:
        return average
    recent = session.reporting.recent_rate(report)
    return f"{average}, {recent.per_second:,.1f} in the last {recent.seconds:,.0f} s"


def _show_served(session: Session, found: Served) -> None:
    """Whom the job has served: another question than whether its books balance."""
    if not found.recipients:
        return
    others = ", ".join(f"{count:,} {name}" for name, count in found.others.items())
    not_sent = f"; not sent: {others}" if others else ""
    back = f"; {found.came_back:,} of the sent came back" if found.came_back else ""
    said = f"{found.sent:,} of {found.recipients:,} recipients ({found.share}) were sent their email{not_sent}{back}"
    session.screen.prose(said, style=STYLES["ok" if found.complete else "warning"])


def _found(report: JobReport) -> str:
    r = report
    parts = f"{r.total:,} enlisted + {r.moved:,} moved + {r.regenerated:,} regenerated + {r.refused:,} refused"
    parts += f" - {r.resent:,} resent" if r.resent else ""
    return f"{r.found:,} found = {parts}" if r.accounted else f"{r.found:,} found, and {parts}"


def _balance(report: JobReport) -> str:
    if report.state is JobState.PAUSED and not report.enlisted and not report.total:
        return "its emails are taken up when it goes on"
    if not report.enlisted:
        return f"{report.total:,} emails so far: the job is still being taken up"
    if not report.balanced:
        return f"{report.done:,} of {report.total:,} emails have ended"
    ended = [(state, count) for state, count in report.counts.items() if count] or [(EmailState.SENT, 0)]
    return f"balanced: {report.total:,} = " + " + ".join(f"{count:,} {state}" for state, count in ended)


def _show_outcomes(session: Session, report: JobReport, outcomes: OutcomeReport) -> None:
    """Of the sent emails, as far as somebody would tell. Opens and clicks stand apart."""
    sent = report.counts[EmailState.SENT]
    if sent or outcomes.known:
        session.screen.line()
        known = tracked(session.settings, record(outcomes))
        session.screen.table((f"of {sent:,} sent", "emails"), _outcome_rows(outcomes, known))
    engagement = EngagementLedger(session.database).of_job(report.job_id)
    if engagement.any:
        session.screen.line()
        session.screen.table(("opens and clicks", "emails"), _engagement_rows(engagement))


def _outcome_rows(outcomes: OutcomeReport, known: Tracked) -> list[tuple[str, object]]:
    rows = [
        (name.replace("_", " "), count if known.knows(name) else NOT_TRACKED)
        for name, count in record(outcomes).items()
        if count or name in (DeliveryOutcome.DELIVERED, NO_WORD_YET)
    ]
    return rows if known.bounces else [*rows[:-1], ("bounced", NOT_TRACKED), rows[-1]]


def _engagement_rows(engagement: JobEngagement) -> list[tuple[str, int]]:
    counts = (
        ("opened", engagement.opened),
        ("clicked", engagement.clicked),
        ("opened by machines", engagement.machine_opened),
        ("clicked by machines", engagement.machine_clicked),
    )
    return [(name, count) for name, count in counts if count]


def _reasons(session: Session, report: JobReport) -> tuple[list[tuple[str, str, int]], int]:
    """The commonest reasons why emails were not sent and rows refused, and how many have another one."""
    counted = Reasons()
    for state, detail in session.reporting.reasons(report.job_id):
        counted.add(state, detail)
    for refusal in session.reporting.refusals(report.job_id) if report.refused else ():
        counted.add(REFUSED, refusal.reason)
    return counted.commonest(REASONS_SHOWN)


def _show_reasons(session: Session, report: JobReport) -> None:
    reasons, others = _reasons(session, report)
    if reasons:
        rows: list[tuple[object, ...]] = [(count, state, reason) for state, reason, count in reasons]
        session.screen.line()
        rows += [(others, "", "others")] if others else []
        session.screen.table(("emails", "state", "reason"), rows, prose=("reason",))


def _show_acts(session: Session, report: JobReport) -> None:
    acts = deque(ActLedger(session.database).of_job(report.job_id), ACTS_SHOWN + 1)
    if acts:
        session.screen.line()
        rows = [(a.at, a.act, a.who, a.count, a.reason) for a in list(acts)[-ACTS_SHOWN:]]
        session.screen.table(("at", "act", "by", "emails", "reason"), rows, prose=("reason",), spare=("emails",))
    if len(acts) > ACTS_SHOWN:
        session.screen.line(f"only the last {ACTS_SHOWN} are shown; --json has all")


def _show_doubts(session: Session, report: JobReport) -> None:
    doubts = _doubts(session, report)
    if not doubts:
        return
    count = report.counts[EmailState.IN_DOUBT]
    session.screen.line()
    session.screen.prose(f"{count:,} in doubt: the mail server may have taken them, or not. Look into its log, then:")
    for doubt in doubts:
        key = ["--", doubt.key] if doubt.key.startswith("-") else [doubt.key]
        handed_over = f"handed over {both_times(doubt.wire_at)}: " if doubt.wire_at else ""
        session.screen.prose(f"{handed_over}{doubt.detail or 'no reason is known'}", f"  {doubt.key}: ")
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
        session.screen.line(f"let the job go on:  {session.command('resume', *key_words(report.key))}")


@click.command()
@click.argument("key", metavar="[JOB]", required=False, type=options.key)
@click.option("--to", metavar="ADDRESS", help="In place of a job's: all emails to this address, however it is spelt.")
@click.option("--state", type=click.Choice([state.value for state in EmailState]), help="Only those in this state.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only those of which this became, once sent.")
@click.option("--format", "kind", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--json", "kind", flag_value="json", help="The same as --format json.")
@click.option("--limit", type=click.IntRange(min=1), help=f"At most so many; a table shows {TABLE_ROWS} by itself.")
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
    """List the emails of a job, or those to an address, as a table, CSV or JSON.

    CSV and JSON are written as they are read, half a million too.

    In CSV a cell that a spreadsheet would take for a formula gets a ' before it, and so does one that begins with a '.
    --outcome no_word_yet: sent, and nothing was heard since. CSV and JSON have opens and clicks,
    those by machines apart.

    \b
    Example:
      eed-delivery emails 42 --state failed --format csv > failed.csv
      eed-delivery emails --to anna@example.com
    """
    found = _emails(session, key, to, state, outcome)
    if kind == "table":
        _show_emails(
            session, found, limit or TABLE_ROWS, EmailState(state) if state else None, with_jobs=to is not None
        )
        return
    beside = EngagementLedger(session.database).beside(islice(found, limit))
    records = (email_record(email) | record(engagement) for email, engagement in beside)
    if kind == "json":
        session.screen.json_array(records)
    else:
        session.screen.csv(EMAIL_COLUMNS, map(_values, records))


def _emails(
    session: Session, key: str | None, to: str | None, state: str | None, outcome: str | None
) -> Iterator[EmailReport]:
    if (key is None) == (to is None):
        raise click.UsageError("Say which emails: those of a JOB, or those --to an address.")
    if to is not None:
        if state or outcome:
            raise click.UsageError("--state and --outcome narrow a job's emails; leave them out with --to.")
        return session.reporting.emails_to(to)
    return session.reporting.emails(
        session.operations.keys.job_id(str(key)), EmailState(state) if state else None, outcome
    )


def _values(facts: dict[str, Any]) -> list[object]:
    return [facts[name] for name in EMAIL_COLUMNS]


def _show_emails(
    session: Session, found: Iterator[EmailReport], limit: int, state: EmailState | None, *, with_jobs: bool
) -> None:
    shown = list(islice(found, limit))
    times = TIMES.get(state, CHANGED)
    columns: tuple[str, ...] = ("email", "recipient", "state", "outcome", "attempts", *times, "detail")
    rows: Iterable[tuple[object, ...]] = [
        (e.key, e.recipient, e.state, e.outcome, e.attempts, *(getattr(e, name) for name in times.values()), e.detail)
        for e in shown
    ]
    if with_jobs:
        jobs = session.reporting.job_keys({e.job_id for e in shown})
        columns, rows = ("job", *columns), [(jobs.get(e.job_id), *row) for e, row in zip(shown, rows, strict=True)]
    spare = ("attempts", *(name for name in times if name in CHANGED), "outcome")
    session.screen.table(columns, rows, prose=("detail",), spare=spare)
    if not shown:
        session.screen.line("there are none")
    if next(found, None) is not None:
        session.screen.line(f"only the first {limit:,} are shown; see --limit, or --format csv for all")


@click.command()
@takes_json
@takes_config
@pass_session
def processes(session: Session, as_json: bool) -> None:
    """List the worker processes of all hosts, and whether they send.

    A process is gone once it has missed 3 heartbeats (worker.heartbeat_seconds). It stays on the list for a day.

    \b
    Example:
      eed-delivery processes
    """
    found = WorkerLedger(session.database).all()
    heartbeat = session.settings.worker.heartbeat_seconds
    alive = [process.is_alive(heartbeat) for process in found]
    if as_json:
        session.screen.json([_process_record(*pair) for pair in zip(found, alive, strict=True)])
        return
    columns = ("process", "role", "threads", "sending", "last seen", "detail")
    rows = [_process_row(*pair) for pair in zip(found, alive, strict=True)]
    session.screen.table(columns, rows, prose=("detail",), spare=("threads", "role"))
    if not found:
        session.screen.line("no worker was heard of today")
    elif not all(alive):
        session.screen.line(f"{alive.count(True):,} of {len(found):,} are alive; the others are gone")


def _process_record(process: SeenProcess, alive: bool) -> dict[str, Any]:
    return record(process) | {"alive": alive, "sending": alive and process.sending}


def _process_row(process: SeenProcess, alive: bool) -> tuple[object, ...]:
    sending = ("yes" if process.sending else "no") if alive else "gone"
    return (process.worker_id, process.role, process.threads, sending, ago(process.age), process.detail)
