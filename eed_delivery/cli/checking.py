"""`eed-delivery check`: everything the service leans on, each with a verdict and what to do."""

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
    """Check everything the service needs: each with a verdict.

    Configuration, database, queue, the way out, attachments, and what to do about each. Nothing is sent and nothing
    changed. Ends with exit code 1 when there is an error.

    \b
    Example:
      eed-delivery check --config /etc/eed-delivery/eed-delivery.toml
    """
    sound = Finding("ok", "configuration", f"{session.config or 'what the environment names'} is sound")
    report(session.screen, (sound, *session.operations.checking.findings()), as_json)
