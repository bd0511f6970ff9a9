"""One email: where it stands, everything that was tried, and what was heard of it since."""

from typing import Any

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import BOLD, record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.acts import ActLedger
from eed_delivery.ledger.reporting import AttemptReport, EmailReport
from eed_delivery.ledger.tracking.engagement import EngagementLedger
from eed_delivery.ledger.tracking.outcomes import EVENTS_OF_AN_EMAIL, EventReport, OutcomeLedger
from eed_delivery.reports.moments import both_times


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
    """Show one email: where it stands, every attempt, and what was heard of it since.

    \b
    Example:
      eed-delivery email 1047
    """
    email_id = session.operations.keys.email_id(key)
    report = session.reporting.email(email_id)
    if report is None:
        raise NotPossible(f"there is no email {key} in the ledger.")
    parent = session.reporting.job(report.job_id)
    job_key = parent.key if parent else str(report.job_id)
    if as_json:
        resends = [resend.key for resend in session.reporting.resends(report)]
        history = [record(attempt) for attempt in session.reporting.attempts(email_id)]
        heard = [record(event) for event in OutcomeLedger(session.database).events_of(email_id)]
        engagement = record(EngagementLedger(session.database).of_email(report))
        acts = [record(act) for act in ActLedger(session.database).of_email(email_id)]
        facts = email_record(report) | engagement | {"job": job_key, "resends": resends}
        facts |= {"history": history, "events": heard, "acts": acts}
        session.screen.json(facts)
        return
    _show_email(session, report, job_key)


def _show_email(session: Session, report: EmailReport, job_key: str) -> None:
    screen = session.screen
    engagement = EngagementLedger(session.database).of_email(report)
    screen.line(f"email {report.key} of job {job_key}", style=BOLD)
    facts = {
        "recipient": report.recipient,
        "resend of": report.resend_of,
        "resent as": ", ".join(resend.key for resend in session.reporting.resends(report)) or None,
        "state": report.state,
        "outcome": f"{report.outcome}, {both_times(report.outcome_at)}" if report.outcome else None,
        "opened": _times(engagement.opens, engagement.machine_opens),
        "clicked": _times(engagement.clicks, engagement.machine_clicks),
        "reason": report.detail,
        "taken as": report.message_id,
        "header id": f"<{report.email_id}.{report.gen}@{session.settings.rendering.message_id_domain}>",
        "handed over": report.wire_at,
        "lease ends": report.lease_until,
        "not before": report.not_before,
        "changed": report.changed_at,
        "attempts": report.attempts,
        "generation": report.gen,
    }
    for name, value in facts.items():
        if value is not None:
            screen.prose(str(value) if isinstance(value, str | int) else both_times(value), f"{name + ':':<13}")
    screen.line()
    attempts = session.reporting.attempts(report.email_id)
    if not attempts:
        screen.line("nothing has been tried yet")
    else:
        columns = ("ended", "gen", "attempt", "verdict", "counted", "code", "reply", "to", "took ms", "by")
        screen.table(
            columns, map(_attempt_row, attempts), prose=("reply",), spare=("took ms", "by", "counted", "attempt", "to")
        )
    acts = ActLedger(session.database).of_email(report.email_id)
    if acts:
        screen.line()
        screen.table(("at", "act", "by", "reason"), [(a.at, a.act, a.who, a.reason) for a in acts], prose=("reason",))
    _show_events(session, report)


def _times(by_people: int, by_machines: int) -> str | None:
    """How often, in words; None where nobody has."""
    if not by_people + by_machines:
        return None
    return f"{by_people}" + (f", and {by_machines} by machines" if by_machines else "")


def _show_events(session: Session, report: EmailReport) -> None:
    events = OutcomeLedger(session.database).events_of(report.email_id)
    if not events:
        return
    session.screen.line()
    columns = ("happened", "gen", "event", "sub-type", "outcome", "code", "automatic", "detail")
    session.screen.table(columns, map(_event_row, events), prose=("detail",), spare=("gen", "sub-type", "code"))
    if len(events) == EVENTS_OF_AN_EMAIL:
        session.screen.line(f"only the first {EVENTS_OF_AN_EMAIL:,} events are shown")


def _event_row(e: EventReport) -> tuple[object, ...]:
    automatic = "yes" if e.automatic else "no"
    return (e.occurred_at, e.gen, e.kind, e.sub_type, e.outcome, _code(e.code, e.enhanced), automatic, e.detail)


def _code(code: int | None, enhanced: str | None) -> str:
    return " ".join(str(part) for part in (code, enhanced) if part is not None)


def _attempt_row(a: AttemptReport) -> tuple[object, ...]:
    counted = "yes" if a.counted else "no"
    return (
        a.ended_at,
        a.gen,
        a.attempt,
        a.verdict,
        counted,
        _code(a.code, a.enhanced),
        a.reply,
        a.recipient,
        a.took_ms,
        a.worker,
    )
