"""`eed-delivery hold`: stop everything, a channel, a category or a destination domain for a while."""

from datetime import datetime
from typing import Any

import click

from eed_delivery.cli import values
from eed_delivery.cli.options import takes_config, takes_json, until
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.watching import PAUSE, database_line
from eed_delivery.operations.holds import (
    HoldProof,
    HoldRequest,
    HoldScope,
    HoldTarget,
    OnWire,
    StoredHold,
    called,
    hold_target,
)
from eed_delivery.operations.watching import DatabaseNews
from eed_delivery.reports.moments import both_times, when


@click.group()
def hold() -> None:
    """Stop everything, a channel, a category or a destination domain for a while."""


@hold.command()
@click.option("--all", "every", is_flag=True, help="Hold everything.")
@click.option("--channel", help="Hold what leaves by this channel.")
@click.option("--category", help="Hold the jobs of this category.")
@click.option("--domain", help="Hold emails to addresses of this domain.")
@click.option("--for", "lasts", type=until, metavar="WHEN", help="End the hold by itself: 2h, or 2026-12-31T18:00:00Z.")
@click.option("--reason", required=True, type=values.text, help="Say why, for the others and for the audit.")
@click.option("--no-wait", is_flag=True, help="Do not wait until nothing is on the wire.")
@takes_json
@takes_config
@pass_session
def add(
    session: Session,
    /,
    every: bool,
    lasts: float | datetime | None,
    reason: str,
    no_wait: bool,
    as_json: bool,
    **named: str | None,
) -> None:
    """Let nothing of it leave from now on.

    It is felt at the next wire grant, on every host. What is on the wire is finished. The emails wait and lose no try.
    Without --for the hold lasts until `hold release`. A second hold of the same replaces the first.

    \b
    Example:
      eed-delivery hold add --domain example.net --for 2h --reason "they ask us to wait"
      eed-delivery hold add --all --reason "wrong letter, ticket 4711"
    """
    holds, target = session.operations.holds, _target(every, named)
    proof = holds.hold(HoldRequest(target, reason, lasts))
    if as_json:
        session.screen.json(proof_record(proof))
        return
    held = proof.hold
    session.screen.line(f"{called(target)} is held {lasting(held)}. This is hold {held.hold_id}")
    if held.in_force_at is not None:
        session.screen.line(f"in force since {both_times(held.in_force_at, 'milliseconds')}")
    if not no_wait:
        for news in holds.leaving(target, PAUSE):
            show_leaving(session, news)


def _target(every: bool, named: dict[str, str | None]) -> HoldTarget:
    given = [(HoldScope(scope), subject) for scope, subject in named.items() if subject is not None]
    if len(given) + every != 1:
        raise click.UsageError("Name one of --all, --channel, --category and --domain.")
    return hold_target(*given[0]) if given else hold_target(HoldScope.ALL)


@hold.command("list")
@takes_json
@takes_config
@pass_session
def list_all(session: Session, as_json: bool) -> None:
    """List what is held, by whom and why.

    \b
    Example:
      eed-delivery hold list
    """
    found = session.operations.holds.all()
    if as_json:
        session.screen.json([hold_record(one) for one in found])
        return
    rows = [(h.hold_id, called(h.target), when(h.held_at), when(h.until_at), h.who, h.reason) for h in found]
    session.screen.table(("hold", "held", "since", "until", "by", "reason"), rows, prose=("reason",), spare=("by",))
    if not found:
        session.screen.line("nothing is held")


@hold.command()
@click.argument("number", type=int)
@takes_config
@pass_session
def release(session: Session, number: int) -> None:
    """End a hold by its number. Its emails leave again.

    \b
    Example:
      eed-delivery hold release 7
    """
    held = session.operations.holds.release(number)
    session.screen.line(f"{called(held.target)} is released")
    if left := session.operations.holds.all():
        session.screen.line(f"still held: {', '.join(called(one.target) for one in left)}")


def show_leaving(session: Session, news: OnWire | DatabaseNews) -> None:
    """What is still on the wire. At the end, when the last email was let go."""
    match news:
        case OnWire(emails=0, last_wire_at=None):
            session.screen.line("nothing is on the wire. None was sent of late")
        case OnWire(emails=0, last_wire_at=moment):
            session.screen.line(
                f"nothing is on the wire. The last email was let go at {both_times(moment, 'milliseconds')}"
            )
        case OnWire(emails=count):
            click.echo(f"{count:,} emails are still on the wire", err=True)
        case _:
            click.echo(database_line(news), err=True)


def lasting(held: StoredHold) -> str:
    """How long a hold lasts."""
    return f"until {both_times(held.until_at)}" if held.until_at else "until the hold is released"


def hold_record(held: StoredHold) -> dict[str, Any]:
    """A hold for scripts."""
    flat = {name: value for name, value in record(held).items() if name != "target"}
    return {**flat, "scope": held.target.scope.value, "subject": held.target.subject}


def proof_record(proof: HoldProof) -> dict[str, Any]:
    """A hold and its proof, for scripts."""
    return {
        **hold_record(proof.hold),
        "emails_on_the_wire": proof.on_wire.emails,
        "last_wire_at": proof.on_wire.last_wire_at,
        "last": [record(one) for one in proof.on_wire.last],
        "processes": [record(one) for one in proof.processes],
        "pending": list(proof.pending),
    }
