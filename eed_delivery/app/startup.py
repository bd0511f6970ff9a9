"""What is checked before the service starts."""

from typing import TYPE_CHECKING

from eed_delivery.app.database import open_database
from eed_delivery.config import Settings, share_metrics
from eed_delivery.errors import ConfigError, DatabaseGone, Problem
from eed_delivery.operations.ledger_revision import ledger_problem

if TYPE_CHECKING:
    from eed_delivery.channels.watch import WantedWorkers


def check_channels(settings: Settings) -> None:
    """Report mistakes in the channels of the file now, and not from every process. Raises `ConfigError`."""
    if settings.channel:
        from eed_delivery.channels.of_file import channels_of  # and with it the kinds: only where there are any

        channels_of(settings)


def channels_of_ledger(settings: Settings) -> "tuple[WantedWorkers, ...]":
    """The workers of the channels that were created while the service ran. None while the database is away."""
    from eed_delivery.channels.directory import ChannelDirectory
    from eed_delivery.channels.watch import WantedWorkers
    from eed_delivery.ledger.channels.listing import ChannelLedger

    database = open_database(settings.database, connections=1)
    try:
        found = ChannelDirectory(settings, ChannelLedger(database)).now().values()
    except DatabaseGone:
        return ()
    finally:
        database.close()
    return tuple(
        WantedWorkers(one.name, one.processes, f"{one.origin} {one.version}") for one in found if one.origin == "ledger"
    )


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


def prepare_metrics(settings: Settings, *, wipe: bool) -> None:
    """Make the directory of metrics, for all processes that start from now on. The whole service empties it, and a role
    that runs alone beside it does not. Raises `ConfigError`."""
    directory = settings.metrics.directory
    if directory is None:
        return
    from eed_delivery.metrics.directory import prepare

    try:
        prepare(directory, wipe=wipe)
    except OSError as error:
        what = f"its directory cannot be used: {error}"
        remedy = "Make it writable for the service's user, or remove metrics.directory."
        raise ConfigError([Problem("metrics.directory", what, remedy)]) from error
    share_metrics(directory)


def check_operators(settings: Settings) -> None:
    """Report packages that are not installed, and routes that declare no right, before the role starts. Raises
    `ConfigError`."""
    try:
        from eed_delivery.app.operators import check
    except ModuleNotFoundError as error:
        what = f"the role operators needs the package {error.name}, which is not installed"
        remedy = "Install it with: pip install 'eed-delivery[operators]', or remove operators.listen."
        raise ConfigError([Problem("operators.listen", what, remedy)]) from error
    check(settings)
