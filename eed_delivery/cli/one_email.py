"""`eed-delivery email` shows one email's state, attempts and delivery events."""

from typing import Any

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import BOLD, record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.emails import AttemptReport, EmailReport, EmailView, EventReport
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
    """Show an email's state, attempts and delivery events.

    \b
    Example:
      eed-delivery email 1047
    """
    view = session.operations.emails.view(key)
    if as_json:
        session.screen.json(_view_record(view))
    else:
        _show_email(session, view)


def _view_record(view: EmailView) -> dict[str, Any]:
    """Everything of an email as JSON."""
    return (
        email_record(view.report)
        | record(view.engagement)
        | record(view.proof)
        | {
            "job": view.job_key,
            "archive_key": view.archive_key,
            "resends": list(view.resends),
            "history": [record(attempt) for attempt in view.attempts],
            "events": [record(event) for event in view.events],
            "acts": [record(act) for act in view.acts],
        }
    )


def _show_email(session: Session, view: EmailView) -> None:
    screen, report, engagement = session.screen, view.report, view.engagement
    screen.line(f"email {report.key} of job {view.job_key}", style=BOLD)
    facts = {
        "recipient": report.recipient,
        "resend of": report.resend_of,
        "resent as": ", ".join(view.resends) or None,
        "state": report.state,
        "outcome": f"{report.outcome}, {both_times(report.outcome_at)}" if report.outcome else None,
        "opened": _times(engagement.opens, engagement.machine_opens),
        "clicked": _times(engagement.clicks, engagement.machine_clicks),
        "reason": report.detail,
        "taken as": report.message_id,
        "header id": view.header_id,
        "sha256": view.proof.sha256,
        "archived as": f"{view.archive_key}, {both_times(view.proof.archived_at)}" if view.archive_key else None,
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
    if not view.attempts:
        screen.line("nothing has been tried yet")
    else:
        columns = ("ended", "gen", "attempt", "verdict", "counted", "code", "reply", "to", "took ms", "by")
        screen.table(
            columns,
            map(_attempt_row, view.attempts),
            prose=("reply",),
            spare=("took ms", "by", "counted", "attempt", "to"),
        )
    if view.acts:
        screen.line()
        acts = [(a.at, a.act, a.who, a.reason) for a in view.acts]
        screen.table(("at", "act", "by", "reason"), acts, prose=("reason",))
    _show_events(session, view)


def _times(by_people: int, by_machines: int) -> str | None:
    """How often, in words. None if it never happened."""
    if not by_people + by_machines:
        return None
    return f"{by_people}" + (f", and {by_machines} by machines" if by_machines else "")


def _show_events(session: Session, view: EmailView) -> None:
    events = view.events
    if not events:
        return
    session.screen.line()
    columns = ("happened", "gen", "event", "sub-type", "outcome", "code", "automatic", "detail")
    session.screen.table(columns, map(_event_row, events), prose=("detail",), spare=("gen", "sub-type", "code"))
    if view.more_events:
        session.screen.line(f"only the first {len(events):,} events are shown")


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
