"""`eed-delivery check` checks everything the service depends on, each with a verdict and what to do."""

import click

from eed_delivery.checks.findings import Finding
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.preparing import report
from eed_delivery.cli.session import Session, pass_session


@click.command()
@takes_json
@takes_config
@pass_session
def check(session: Session, as_json: bool) -> None:
    """Check everything the service needs.

    Shows a verdict for configuration, database, queue, transport and attachments, and says how to correct what is
    wrong. Sends nothing and changes nothing. Exit code 1 means that it found an error.

    \b
    Example:
      eed-delivery check --config /etc/eed-delivery/eed-delivery.toml
    """
    sound = Finding("ok", "configuration", f"{session.config or 'what the environment names'} is sound")
    report(session.screen, (sound, *session.operations.checking.findings()), as_json)
