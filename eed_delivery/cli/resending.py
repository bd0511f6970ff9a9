"""Send a sent email once more: it was lost on its way, deleted, or went to an address that was wrong."""

import click

from eed_delivery.cli import options, values
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.resending import ResendRequest


@click.command()
@click.argument("key", metavar="EMAIL", type=options.key)
@click.option(
    "--to", metavar="ADDRESS", type=values.address, help="Where to, in place of the address that the source has."
)
@click.option("--reason", required=True, type=values.text, help="Kept in the audit, beside who did it.")
@click.option("--despite-suppression", is_flag=True, help="Send it although the address is on the suppression list.")
@takes_json
@takes_config
@pass_session
def resend(session: Session, key: str, to: str | None, reason: str, despite_suppression: bool, as_json: bool) -> None:
    """Send a sent email once more, as a new email of the same job. Prints the new email's key.

    The first one stays as it is, and its history says who has sent it once more and why. The new one has the content
    that the source has by the time it is sent, and goes to the address that the source has then. With --to it goes
    there instead.

    \b
    Example:
      eed-delivery resend 1047 --to anna@example.com --reason "ticket 4711: her mailbox has moved"
    """
    resent = session.operations.resending.resend(ResendRequest(key, reason, to, despite_suppression))
    if as_json:
        session.screen.json({"email": resent.key, "resend_of": key, "recipient": resent.recipient})
        return
    session.screen.line(resent.key)
    click.echo(f"email {resent.key} will be sent to {resent.recipient}", err=True)
    click.echo(f"see what becomes of it:  {session.command('email', resent.key)}", err=True)
