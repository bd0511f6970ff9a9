"""`eed-delivery gate`: why a channel sends nothing at all, and sending again at once."""

import click

from eed_delivery.cli import values
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.gates import GateOpening, ShutGate
from eed_delivery.reports.moments import when


@click.group()
def gate() -> None:
    """Show which channels' ways out are broken, and try one at once."""


@gate.command("list")
@takes_json
@takes_config
@pass_session
def list_shut(session: Session, as_json: bool) -> None:
    """List the channels whose gate is shut, since when and why.

    A gate is shut by an answer that concerns all emails. It is there with worker.coordination = "ledger".

    \b
    Example:
      eed-delivery gate list
    """
    _show(session, session.operations.gates.all(), as_json)


@gate.command("open")
@click.argument("channel")
@click.option("--reason", required=True, type=values.text, help="Say why, for the others and for the audit.")
@takes_json
@takes_config
@pass_session
def open_gate(session: Session, channel: str, reason: str, as_json: bool) -> None:
    """Let a channel send again at once, before its gate opens by itself.

    The next answer that concerns all emails shuts it again. Shows the gates that are still shut.

    \b
    Example:
      eed-delivery gate open default --reason "the relay is up again"
    """
    _show(session, session.operations.gates.open(GateOpening(channel, reason)), as_json)


def _show(session: Session, found: tuple[ShutGate, ...], as_json: bool) -> None:
    if as_json:
        session.screen.json([record(one) for one in found])
        return
    rows = [
        (one.channel, when(one.shut_at), _next(one), when(one.mapping_off_at) if one.mapping_off_at else "", one.reason)
        for one in found
    ]
    columns = ("channel", "shut since", "tried", "mapping off since", "reason")
    session.screen.table(columns, rows, prose=("reason",), spare=("mapping off since",))
    if not found:
        session.screen.line("no gate is shut")


def _next(one: ShutGate) -> str:
    if one.reason is None:
        return "it is open"
    return f"in {one.seconds:.0f} s" if one.seconds > 0 else "now"
