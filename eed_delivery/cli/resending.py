"""Send a sent email once more that was lost on its way, deleted, or went to an address that was wrong."""

import click

from eed_delivery.cli import options, values
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.resending import ResendRequest


@click.command()
@click.argument("key", metavar="EMAIL", type=options.key)
@click.option("--to", metavar="ADDRESS", type=values.address, help="Send it to this address instead of the source's.")
@click.option("--reason", required=True, type=values.text, help="Say why. Kept in the audit.")
@click.option("--despite-suppression", is_flag=True, help="Send it even if the address is on the suppression list.")
@options.takes_alone
@takes_json
@takes_config
@pass_session
def resend(session: Session, key: str, to: str | None, reason: str, despite_suppression: bool, as_json: bool) -> None:
    """Send a sent or suppressed email again, as a new email of the same job.

    Prints the new email's key. The first email stays unchanged, and its history shows who sent it again and why. The
    new one has the content and the address that the source has when it is sent. --to replaces the address.

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
