"""How many emails a second all hosts together may send, by channel: as configured, as SES allows, or as people set."""

from typing import TYPE_CHECKING

from eed_delivery.app.channel_surroundings import FixedRate, SesRate
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.channels.listing import ChannelLedger
from eed_delivery.ledger.paces import PaceLedger

if TYPE_CHECKING:
    from eed_delivery.app.parts import App


class AllowedRates:
    """Asked for by figures. What is not limited is left out, and so is what SES has not said yet."""

    def __init__(self, app: "App", database: Database) -> None:
        self._app = app
        self._directory = app.channel_directory(ChannelLedger(database))
        self._paces = PaceLedger(database)
        self._rates: dict[tuple[str, float | str], SesRate | FixedRate] = {}

    def now(self) -> dict[str, float]:
        """Emails a second by channel, and of all channels together (`paces.TOGETHER`). Raises `DatabaseGone`."""
        found: dict[str, float] = {}
        for name, channel in self._directory.now().items():
            key = (name, channel.rate_per_second)
            if key not in self._rates:
                self._rates[key] = self._app.rate(channel)
            rate = self._rates[key]
            limit = rate()
            if limit is not None and rate.known:
                found[name] = limit
        return {**found, **{pace.channel: pace.per_second for pace in self._paces.all()}}
