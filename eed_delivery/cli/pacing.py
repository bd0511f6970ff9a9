"""`eed-delivery pace`: change the send rate while the service runs."""

from datetime import datetime

import click

from eed_delivery.cli import values
from eed_delivery.cli.options import takes_config, takes_json, until
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
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
