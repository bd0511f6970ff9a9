"""Expected errors as a person sees them, with a message on stderr and an exit code, never a traceback."""

import re
from typing import IO, Any

import click
from sqlalchemy.exc import DBAPIError

from eed_delivery.database.server_words import server_words
from eed_delivery.errors import ConfigError, DatabaseGone, EedError, QueueGone

# https://man.openbsd.org/sysexits: EX_UNAVAILABLE and EX_CONFIG; systemd and scripts know them
NOT_POSSIBLE, UNAVAILABLE, CONFIGURATION = 1, 69, 78

EXPECTED = (EedError, DBAPIError)
"""What `explained` takes. Anything else is a defect."""

_NO_TABLE = re.compile(r"no such table|doesn't exist", re.IGNORECASE)


class Failure(click.ClickException):
    """A message, and the exit code that goes with it."""

    def __init__(self, message: str, exit_code: int = NOT_POSSIBLE) -> None:
        super().__init__(message)
        self.__dict__["exit_code"] = exit_code  # click declares it for the class, and reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message, without click's prefix."""
        click.echo(self.format_message(), file=file, err=file is None)


def explained(error: EedError | DBAPIError) -> Failure:
    """The failure that `error` is to the caller of a command."""
    if isinstance(error, ConfigError):
        return Failure("\n".join(f"error: {problem}" for problem in error.problems), CONFIGURATION)
    if isinstance(error, DatabaseGone | QueueGone):
        return Failure(f"error: {error}. The command did nothing, or only a part of its work.", UNAVAILABLE)
    if isinstance(error, DBAPIError):
        return Failure(f"error: the database refused the statement: {server_words(error)}{_remedy(error)}")
    return Failure(f"error: {error}")


def _remedy(error: DBAPIError) -> str:
    words = server_words(error)
    if _NO_TABLE.search(words) and "eed_" in words:
        return ". The ledger's tables do not exist yet. Run eed-delivery db init."
    return ". Run eed-delivery db check."
