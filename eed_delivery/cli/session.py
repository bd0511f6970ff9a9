"""What the commands of one call share: the configuration and the parts made from it, each only when it is needed.

Each part is imported where it is made: `--version` needs none of them, and a look into the ledger needs neither queue
nor transports nor templates.
"""

import shlex
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from eed_delivery.app.operations import Operations
    from eed_delivery.app.parts import App
    from eed_delivery.cli.output import Screen
    from eed_delivery.config import Settings
    from eed_delivery.database.transactions import Database
    from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
    from eed_delivery.ledger.reporting import ReportingLedger


@dataclass
class Session:
    """One call of `eed-delivery`. `config` is what --config named."""

    config: Path | None = None

    @cached_property
    def settings(self) -> "Settings":
        """The settings. Raises `ConfigError`."""
        from eed_delivery.config import load

        return load(self.config)

    @cached_property
    def app(self) -> "App":
        """The maker of parts."""
        from eed_delivery.app.parts import App

        app = App(self.settings)
        self._log_to_stderr()
        return app

    @cached_property
    def operations(self) -> "Operations":
        """What the caller can ask and decide."""
        from eed_delivery.app.operations import Operations
        from eed_delivery.cli.person import caller

        found = Operations(self.settings, caller())
        self._log_to_stderr()
        return found

    @cached_property
    def screen(self) -> "Screen":
        """Where answers are shown."""
        from eed_delivery.cli.output import Screen

        return Screen.stdout()

    @cached_property
    def database(self) -> "Database":
        from eed_delivery.app.database import open_database

        database = open_database(self.settings.database)
        self._log_to_stderr()
        return database

    @cached_property
    def reporting(self) -> "ReportingLedger":
        from eed_delivery.ledger.reporting import ReportingLedger

        return ReportingLedger(self.database)

    def _log_to_stderr(self) -> None:
        """Stdout belongs to the command's own answer."""
        from eed_delivery import logs
        from eed_delivery.config import LogSettings

        logs.configure(LogSettings(level="warning"), role="cli", stream=sys.stderr)

    @cached_property
    def scheduling(self) -> "SchedulingLedger":
        from eed_delivery.cli.person import person
        from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
        from eed_delivery.ledger.webhooks.outbox import Outbox
        from eed_delivery.source import Source

        outbox = Outbox.of(self.settings.webhooks)
        return SchedulingLedger(self.database, Source(self.settings.source), outbox=outbox, who=person())

    def command(self, *words: str) -> str:
        """A command to type next, with the configuration of this call."""
        config = ["--config", str(self.config)] if self.config else []
        return shlex.join(["eed-delivery", *config, *words])


pass_session = click.make_pass_decorator(Session, ensure=True)
