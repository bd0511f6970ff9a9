"""`eed-delivery pace`: change the send rate while the service runs."""

from datetime import datetime

import click

from eed_delivery.cli import values
from eed_delivery.cli.options import takes_config, takes_json, until
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.domain_paces import DomainPaceRequest, DomainPacesView, DomainPaceView
from eed_delivery.operations.paces import TOGETHER, PaceRequest, PaceView
from eed_delivery.reports.moments import when

_CHANNEL = click.option("--channel", help="Name the channel. Default: all channels together.")
_REASON = click.option("--reason", required=True, type=values.text, help="Say why, for the others and for the audit.")


@click.group()
def pace() -> None:
    """Change the send rate while the service runs."""


@pace.command()
@takes_json
@takes_config
@pass_session
def show(session: Session, as_json: bool) -> None:
    """Show the paces that are set, and the rate that each worker says it uses.

    \b
    Example:
      eed-delivery pace show
    """
    _show(session, session.operations.paces.view(), as_json)


@pace.command("set")
@click.argument("per_second", type=float)
@_CHANNEL
@click.option("--for", "lasts", type=until, metavar="WHEN", help="End the pace by itself: 2h, or 2026-12-31T18:00:00Z.")
@_REASON
@takes_json
@takes_config
@pass_session
def set_pace(
    session: Session,
    per_second: float,
    channel: str | None,
    lasts: float | datetime | None,
    reason: str,
    as_json: bool,
) -> None:
    """Send so many emails a second, on all hosts together, in place of the configured rate.

    Workers heed it with their next heartbeat. Without --channel it is a limit of all channels together.

    \b
    Example:
      eed-delivery pace set 100 --channel statements --for 2h --reason "the relay complains"
    """
    request = PaceRequest(channel or TOGETHER, per_second, reason, lasts)
    _show(session, session.operations.paces.set(request), as_json)


@pace.command()
@_CHANNEL
@_REASON
@takes_json
@takes_config
@pass_session
def clear(session: Session, channel: str | None, reason: str, as_json: bool) -> None:
    """End a pace. The configured rate counts again.

    \b
    Example:
      eed-delivery pace clear --channel statements --reason "the relay is well again"
    """
    _show(session, session.operations.paces.set(PaceRequest(channel or TOGETHER, None, reason)), as_json)


@pace.command()
@takes_json
@takes_config
@pass_session
def domains(session: Session, as_json: bool) -> None:
    """Show the paces of destination domains: those of the configuration, and those that people have set.

    \b
    Example:
      eed-delivery pace domains
    """
    _show_domains(session, session.operations.domain_paces.view(), as_json)


@pace.command()
@click.argument("domain")
@click.option("--per-second", type=float, help="Send so many emails a second to it.")
@click.option("--concurrency", type=int, help="Send so many emails to it at one time.")
@click.option("--for", "lasts", type=until, metavar="WHEN", help="End the pace by itself: 2h, or 2026-12-31T18:00:00Z.")
@_REASON
@takes_json
@takes_config
@pass_session
def set_domain(
    session: Session,
    domain: str,
    per_second: float | None,
    concurrency: int | None,
    lasts: float | datetime | None,
    reason: str,
    as_json: bool,
) -> None:
    """Limit what goes to a destination domain, from all hosts and channels together, in place of what is configured.

    "*.example.com" is all domains below example.com together, and "*" each domain that has no pace of its own. Emails
    of other domains do not wait.

    \b
    Example:
      eed-delivery pace set-domain gmail.com --per-second 20 --for 4h --reason "421 4.7.28 since midnight"
    """
    if per_second is None and concurrency is None:
        raise click.UsageError("Give --per-second, --concurrency, or both.")
    request = DomainPaceRequest(domain, per_second, concurrency, reason, lasts)
    _show_domains(session, session.operations.domain_paces.set(request), as_json)


@pace.command()
@click.argument("domain")
@_REASON
@takes_json
@takes_config
@pass_session
def clear_domain(session: Session, domain: str, reason: str, as_json: bool) -> None:
    """End a pace of a destination domain. What is configured counts again.

    \b
    Example:
      eed-delivery pace clear-domain gmail.com --reason "they take it all again"
    """
    request = DomainPaceRequest(domain, None, None, reason)
    _show_domains(session, session.operations.domain_paces.set(request), as_json)


def _show_domains(session: Session, found: DomainPacesView, as_json: bool) -> None:
    screen = session.screen
    if as_json:
        screen.json([domain_pace_record(one) for one in found.paces])
        return
    if not found.paces:
        screen.line("no destination domain has a pace")
        return
    rows = [(one.domain, one.pace.words, *_whose(one)) for one in found.paces]
    screen.table(("domain", "pace", "until", "by", "reason"), rows, prose=("reason",))


def _whose(one: DomainPaceView) -> tuple[str, str, str]:
    if one.set is None:
        return "", "the configuration", ""
    return when(one.set.until_at), one.set.who, one.set.reason


def domain_pace_record(one: DomainPaceView) -> dict[str, object]:
    """A pace of a domain for scripts."""
    by_person = None if one.set is None else record(one.set)
    configured = None if one.configured is None else record(one.configured)
    return {"domain": one.domain, **record(one.pace), "configured": configured, "set": by_person}


def _show(session: Session, found: PaceView, as_json: bool) -> None:
    screen = session.screen
    if as_json:
        screen.json({"paces": [record(one) for one in found.paces], "processes": [*map(_process, found.processes)]})
        return
    if not found.paces:
        screen.line("no pace is set: the configured rates count")
    else:
        rows = [
            ("all" if one.channel == TOGETHER else one.channel, f"{one.per_second:g}", when(one.until_at), one.who,
             one.reason)
            for one in found.paces
        ]  # fmt: skip
        screen.table(("channel", "emails a second", "until", "by", "reason"), rows, prose=("reason",))
    if found.processes:
        screen.line()
        used = [(one.worker_id, one.channel, _rate(one.per_second)) for one in found.processes]
        screen.table(("process", "channel", "it uses"), used)


def _process(one: object) -> dict[str, object]:
    told = record(one)
    return {name: told[name] for name in ("worker_id", "host", "channel", "per_second", "last_seen")}


def _rate(per_second: float | None) -> str:
    return "no limit" if per_second is None else f"{per_second:.2f} a second"
