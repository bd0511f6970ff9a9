"""What is checked before the service starts."""

from eed_delivery.app.database import open_database
from eed_delivery.config import Settings
from eed_delivery.errors import ConfigError, DatabaseGone
from eed_delivery.operations.preparing import ledger_problem


def check_channels(settings: Settings) -> None:
    """Report mistakes in the channels of the file now, and not from every process. Raises `ConfigError`."""
    if settings.channel:
        from eed_delivery.channels.of_file import channels_of  # and with it the kinds: only where there are any

        channels_of(settings)


def check_ledger(settings: Settings) -> None:
    """Refuse to start without our tables. Every loop would fail, and a restart would mend nothing.

    A database that is away is no reason, because the service waits for it. Raises `ConfigError`.
    """
    database = open_database(settings.database, connections=1)
    try:
        problem = ledger_problem(database)
    except DatabaseGone:
        return
    finally:
        database.close()
    if problem is not None:
        raise ConfigError([problem])
