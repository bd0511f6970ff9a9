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

from eed_delivery.errors import NotPossible, RenderError

if TYPE_CHECKING:
    from eed_delivery.app.parts import App
    from eed_delivery.cli.output import Screen
    from eed_delivery.config import Settings
    from eed_delivery.database.transactions import Database
    from eed_delivery.ledger.operating import OperatingLedger
    from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
    from eed_delivery.ledger.reporting import ReportingLedger
    from eed_delivery.model import WaitingJob


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

    @cached_property
    def operating(self) -> "OperatingLedger":
        from eed_delivery.cli.person import person

        return self.app.operating(self.database, person())

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

    def waiting_job(self, key: str) -> "WaitingJob | None":
        """A job that the ledger does not have yet, because its time has not come."""
        return None if self.reporting.job_id(key) is not None else self.scheduling.job(key)

    def job_id(self, key: str) -> int:
        """The ledger's id of a job by the source's key. Raises `NotPossible`, and says what is known."""
        found = self.reporting.job_id(key)
        if found is not None:
            return found
        if (waiting := self.scheduling.job(key)) is not None:
            from eed_delivery.cli.output import both_times

            when = both_times(waiting.scheduled_at) or "more than 100 years away"
            raise NotPossible(f"job {key} waits for its time ({when}): its emails are taken up then")
        if (refused := self.reporting.refused_job(key)) is not None:
            when = f"{refused.refused_at:%Y-%m-%d %H:%M:%S} UTC"
            raise NotPossible(
                f"job {key} was refused at {when}, with its {refused.emails:,} unsent emails: {refused.reason}. "
                "Give the job another key, set its emails to not sent yet, and make it ready."
            )
        if self._is_in_source(key):
            raise NotPossible(
                f"job {key} is in the source, but the publisher has not taken it up: it does so when the job's status "
                "is the ready one and its time has come. Is the publisher running?"
            )
        raise NotPossible(f"there is no job {key}. eed-delivery jobs lists them.")

    def _is_in_source(self, key: str) -> bool:
        try:
            self.database.run(lambda c: self.app.source.job(c, 0, key, 0))
        except (RenderError, ValueError, OverflowError):  # gone, or not a key of the source's kind
            return False
        return True

    def email_id(self, key: str) -> int:
        """The ledger's id of an email by the source's key. Raises `NotPossible`."""
        found = self.reporting.email_id(key)
        if found is None:
            raise NotPossible(f"there is no email {key} in the ledger. Emails come into it when their job is taken up.")
        return found

    def command(self, *words: str) -> str:
        """A command to type next, with the configuration of this call."""
        config = ["--config", str(self.config)] if self.config else []
        return shlex.join(["eed-delivery", *config, *words])


pass_session = click.make_pass_decorator(Session, ensure=True)
