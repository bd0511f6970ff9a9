"""Shows one job with its counts, its rate, its troubles, and what to do about them."""

from typing import Any

import click

from eed_delivery.cli import options
from eed_delivery.cli.one_email import email_record
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import BOLD, STYLES, record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.waiting import SCHEDULED, scheduled, show_waiting_job, waiting_record
from eed_delivery.events import DeliveryOutcome
from eed_delivery.hints import key_words
from eed_delivery.model import DEFAULT_CHANNEL, EmailState, JobState
from eed_delivery.operations.emails import NO_WORD_YET
from eed_delivery.operations.forecasts.words import end_sentence, verdict_sentence
from eed_delivery.operations.gates import gate_words
from eed_delivery.operations.jobs import JobArchive, JobEngagement, JobReport, JobRequest, JobView
from eed_delivery.operations.windows import JobWindow
from eed_delivery.reports.moments import both_times
from eed_delivery.reports.served import REFUSED, Served
from eed_delivery.reports.tracked import NOT_TRACKED

ACTS_SHOWN = 50


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
@click.option("--watch", is_flag=True, help="Refresh each second until the job has finished.")
@takes_json
@takes_config
@pass_session
def job(session: Session, key: str, watch: bool, as_json: bool) -> None:
    """Show a job's counts, send rate, outcomes and errors.

    Shows the outcomes of sent emails, why others failed, and what to do next.
    With --watch and --json it writes a line of JSON for each change.

    \b
    Example:
      eed-delivery job 42 --watch
    """
    jobs = session.operations.jobs
    if not watch and (waiting := jobs.waiting(key)) is not None:
        if as_json:
            session.screen.json(waiting_record(waiting.job) | {"emails": waiting.emails})
        else:
            show_waiting_job(session, waiting)
        return
    report = _watched(session, key, as_json) if watch else jobs.report(key)
    if not as_json:
        _show_job(session, jobs.view(report, JobRequest(acts=ACTS_SHOWN)))
    elif not watch:
        session.screen.json(_view_record(jobs.view(report)))


def _watched(session: Session, key: str, as_json: bool) -> JobReport:
    from eed_delivery.cli.watching import PAUSE, watch_job  # and with it the progress bar

    news = session.operations.watching.follow(session.operations.keys.job_id(key), PAUSE)
    report = watch_job(session.screen, news, job_record if as_json else None)
    return session.operations.jobs.report(key) if report is None else report


def _view_record(view: JobView) -> dict[str, Any]:
    """Everything of a job as JSON."""
    return job_record(view.report) | {
        "recent_emails_per_second": view.recent.per_second,
        "outcomes": record(view.outcomes),
        "tracked": record(view.tracked),
        "engagement": record(view.engagement),
        "manifests": [record(manifest) for manifest in view.manifests],
        "archive": None if view.archive is None else _archive_record(view.archive),
        "reasons": [record(reason) for reason in view.reasons],
        "other_reasons": view.other_reasons,
        "acts": [record(act) for act in view.acts],
        "in_doubt": [email_record(doubt) for doubt in view.doubts],
    }


def _show_forecast(session: Session, report: JobReport) -> None:
    if report.finished_at is None:
        forecast = session.operations.forecasts.of(report.key)
        session.screen.prose(f"{verdict_sentence(forecast)} {end_sentence(forecast)}".rstrip())


def _show_job(session: Session, view: JobView) -> None:
    screen, report = session.screen, view.report
    screen.line(f"job {report.key}  {report.name}", style=BOLD)
    screen.prose(f"{report.state}{f': {report.reason}' if report.reason else ''}")
    if report.channel != DEFAULT_CHANNEL:
        screen.line(f"channel {report.channel}")
    if not report.watched:
        screen.line("unwatched, so bounces and complaints do not pause it")
    finished = f"finished {both_times(report.finished_at)}" if report.finished_at else "not finished"
    screen.line(f"registered {both_times(report.created_at)}, {finished}")
    if report.window is not None:
        screen.prose(f"send window {_window(report.window)}")
    _show_gate(session, report)
    _show_forecast(session, report)
    if view.waiting is not None:
        screen.line(f"{SCHEDULED} for {scheduled(view.waiting)}")
    screen.line(_rates(view))
    screen.line()
    shown = [(state, count) for state, count in report.counts.items() if count or state is EmailState.SENT]
    screen.table(("state", "emails"), [*shown, *([(REFUSED, report.refused)] if report.refused else [])])
    _show_served(session, view.served)
    screen.prose(_balance(report))
    if report.enlisted and not report.accounted:
        screen.prose(f"not every row found is accounted for ({_found(report)}). Run eed-delivery reconcile.")
    if report.not_enlisted:
        screen.line(f"{report.not_enlisted:,} more had been settled before this service picked up the job")
    if report.refused or report.moved or report.regenerated or report.resent:
        screen.prose(_found(report))
    _show_archive(session, view)
    _show_manifests(session, view)
    _show_outcomes(session, view)
    _show_reasons(session, view)
    _show_acts(session, view)
    _show_doubts(session, view)
    _show_next(session, report)


def _show_gate(session: Session, report: JobReport) -> None:
    """That its channel sends nothing, if that is so."""
    gates = session.operations.gates.all() if report.finished_at is None else ()
    for gate in gates:
        if gate.channel == report.channel:
            session.screen.prose(gate_words(gate))


def _window(window: JobWindow) -> str:
    word, then = ("open", "closes") if window.is_open else ("closed", "opens")
    if not window.is_known:
        return "closed, and its opening is not calculated yet"
    if window.problem and window.changes_at is None:
        return f"closed, because the job's own cannot be used: {window.problem}"
    return f"{word}, {then} {both_times(window.changes_at)}" if window.changes_at else f"{word}, never {then}"


def _rates(view: JobView) -> str:
    report, recent = view.report, view.recent
    average = f"{report.running_seconds:,.0f} s, {report.rate:,.1f} emails a second on average"
    if report.finished_at is not None:
        return average
    return f"{average}, {recent.per_second:,.1f} in the last {recent.seconds:,.0f} s"


def _show_served(session: Session, found: Served) -> None:
    """Whom the job has served. That is another question than whether its sums balance."""
    if not found.recipients:
        return
    others = ", ".join(f"{count:,} {name}" for name, count in found.others.items())
    not_sent = f"; not sent: {others}" if others else ""
    back = f"; {found.came_back:,} of the sent came back" if found.came_back else ""
    said = f"{found.sent:,} of {found.recipients:,} recipients ({found.share}) were sent their email{not_sent}{back}"
    session.screen.prose(said, style=STYLES["ok" if found.complete else "warning"])


def _archive_record(archive: JobArchive) -> dict[str, Any]:
    return record(archive) | {"waiting": archive.waiting, "complete": archive.complete}


def _show_archive(session: Session, view: JobView) -> None:
    """Show how complete the archive is, where copies are wanted."""
    if (archive := view.archive) is None:
        return
    if archive.complete:
        session.screen.line(f"archive complete: copies of {archive.archived:,} sent emails", style=STYLES["ok"])
        return
    words = f"archive not complete: copies of {archive.archived:,} of {archive.sent:,} sent emails"
    words += f", {archive.waiting:,} still wait in a spool" if archive.waiting else ""
    words += f", {archive.not_kept:,} could not be kept" if archive.not_kept else ""
    session.screen.prose(words, style=STYLES["warning"])


def _show_manifests(session: Session, view: JobView) -> None:
    """Show each manifest of a job whose channel puts files, and why one is outstanding."""
    for one in view.manifests:
        if one.put_at is not None:
            words = f"manifest {one.number} put at {both_times(one.put_at)}: {one.path}, {one.files:,} files"
            words += f", SHA-256 {one.sha256}"
            if one.unlisted:
                words += f". It is not complete: an earlier release put {one.unlisted:,} emails and recorded no files"
            session.screen.prose(words, style=STYLES["warning" if one.unlisted else "ok"])
            continue
        words = f"manifest {one.number} outstanding since {both_times(one.wanted_at)}"
        words += f", tried {one.tries:,} times" if one.tries else ""
        words += f": {one.detail}" if one.detail else f", the channel {one.channel} puts it"
        session.screen.prose(words, style=STYLES["warning"])


def _found(report: JobReport) -> str:
    r = report
    parts = f"{r.total:,} enlisted + {r.moved:,} moved + {r.regenerated:,} regenerated + {r.refused:,} refused"
    parts += f" - {r.resent:,} resent" if r.resent else ""
    return f"{r.found:,} found = {parts}" if r.accounted else f"{r.found:,} found, and {parts}"


def _balance(report: JobReport) -> str:
    if report.state is JobState.PAUSED and not report.enlisted and not report.total:
        return "its emails are picked up when it is resumed"
    if not report.enlisted:
        return f"{report.total:,} emails so far. The job is still being picked up"
    if not report.balanced:
        return f"{report.done:,} of {report.total:,} emails have ended"
    ended = [(state, count) for state, count in report.counts.items() if count] or [(EmailState.SENT, 0)]
    return f"balanced: {report.total:,} = " + " + ".join(f"{count:,} {state}" for state, count in ended)


def _show_outcomes(session: Session, view: JobView) -> None:
    """Show the outcomes of the sent emails as far as they are tracked. Opens and clicks have their own table."""
    sent = view.report.counts[EmailState.SENT]
    if sent or view.outcomes.known:
        session.screen.line()
        session.screen.table((f"of {sent:,} sent", "emails"), _outcome_rows(view))
    if view.engagement.any:
        session.screen.line()
        session.screen.table(("opens and clicks", "emails"), _engagement_rows(view.engagement))


def _outcome_rows(view: JobView) -> list[tuple[str, object]]:
    known = view.tracked
    rows = [
        (name.replace("_", " "), count if known.knows(name) else NOT_TRACKED)
        for name, count in record(view.outcomes).items()
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


def _show_reasons(session: Session, view: JobView) -> None:
    if view.reasons:
        rows: list[tuple[object, ...]] = [(reason.count, reason.state, reason.detail) for reason in view.reasons]
        session.screen.line()
        rows += [(view.other_reasons, "", "others")] if view.other_reasons else []
        session.screen.table(("emails", "state", "reason"), rows, prose=("reason",))


def _show_acts(session: Session, view: JobView) -> None:
    if view.acts:
        session.screen.line()
        rows = [(a.at, a.act, a.who, a.count, a.reason) for a in view.acts]
        session.screen.table(("at", "act", "by", "emails", "reason"), rows, prose=("reason",), spare=("emails",))
    if view.more_acts:
        session.screen.line(f"only the last {ACTS_SHOWN} are shown. --json has all")


def _show_doubts(session: Session, view: JobView) -> None:
    report, doubts = view.report, view.doubts
    if not doubts:
        return
    count = report.counts[EmailState.IN_DOUBT]
    session.screen.line()
    session.screen.prose(f"{count:,} in doubt. The mail server may have accepted them, or not. Check its log, then:")
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
        session.screen.line(f"resume the job:  {session.command('resume', *key_words(report.key))}")
