"""`nudge` registers a job now."""

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session, pass_session


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@takes_json
@takes_config
@pass_session
def nudge(session: Session, key: str, as_json: bool) -> None:
    """Register a job now, before the publisher looks for it.

    The job must be ready, due and committed. To nudge a job that is registered changes nothing.

    \b
    Example:
      eed-delivery nudge 42
    """
    result = session.operations.nudging.nudge(key)
    if as_json:
        session.screen.json(record(result))
        return
    session.screen.line(f"job {key} is {'registered' if result.now else f'registered already, and {result.state}'}")
