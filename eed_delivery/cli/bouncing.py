"""`eed-delivery bounce` reads one bounce from a mail server's pipe."""

import sys

import click
import structlog

from eed_delivery import logs
from eed_delivery.cli.options import takes_config
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.config import LogSettings
from eed_delivery.errors import DatabaseGone
from eed_delivery.operations.bounces import BounceRequest

log = structlog.get_logger(__name__)

TEMPORARY = 75
"""EX_TEMPFAIL (https://man.openbsd.org/sysexits): the mail server keeps the bounce and calls again. With any other
exit code it would bounce the bounce."""


@click.command()
@click.option(
    "--recipient",
    required=True,
    envvar=["ORIGINAL_RECIPIENT", "RECIPIENT"],
    help="Set the envelope's recipient. Default: $ORIGINAL_RECIPIENT or $RECIPIENT, which postfix's local sets.",
)
@takes_config
@pass_session
def bounce(session: Session, recipient: str) -> None:
    """Read one bounce from stdin, for a mail server's pipe.

    Exit code 0 means that it is stored, or of no interest. Exit code 75 asks the mail server to try again.

    \b
    Example:
      eed-delivery bounce --recipient b+1047.0.k3xw5ckgqnbajy2a@returns.example.com < bounce.eml
    """
    logs.configure(LogSettings(), role="bounce", stream=sys.stderr)  # before anything can go wrong
    try:
        _take(session, recipient)
    except DatabaseGone as error:
        log.warning("bounce_waits", reason=str(error))
        raise SystemExit(TEMPORARY) from None
    except Exception:  # a mistake in the configuration, too: it will be mended
        log.exception("bounce_not_taken")
        raise SystemExit(TEMPORARY) from None


def _take(session: Session, recipient: str) -> None:
    bounces = session.operations.bounces
    logs.configure(session.settings.logs, role="bounce", stream=sys.stderr)
    bounces.take(BounceRequest(recipient, sys.stdin.buffer))
