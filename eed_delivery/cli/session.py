"""What the commands of one call share: the configuration and the parts made from it, each only when it is needed."""

import shlex
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eed_delivery import logs
from eed_delivery.cli.output import Screen
from eed_delivery.cli.person import person
from eed_delivery.config import LogSettings, Settings, load
from eed_delivery.errors import NotPossible, RenderError

if TYPE_CHECKING:
    from eed_delivery.app import App
    from eed_delivery.database import Database
    from eed_delivery.ledger.operating import OperatingLedger
    from eed_delivery.ledger.reporting import ReportingLedger


@dataclass
class Session:
    """One call of `eed-delivery`. `config` is what --config named."""

    config: Path | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises `ConfigError`."""
        return load(self.config)

    @cached_property
    def app(self) -> "App":
        """The maker of parts. Stdout belongs to the command's own answer, so warnings are logged to stderr."""
        from eed_delivery.app import (
            App,  # most of what there is: the supervisor, which needs none of it, starts without
        )

        app = App(self.settings)
        logs.configure(LogSettings(level="warning"), role="cli", stream=sys.stderr)
        return app

    @cached_property
    def screen(self) -> Screen:
        """Where answers are shown."""
        return Screen.stdout()

    @cached_property
    def database(self) -> "Database":
        return self.app.database()

    @cached_property
    def reporting(self) -> "ReportingLedger":
        return self.app.reporting(self.database)

    @cached_property
    def operating(self) -> "OperatingLedger":
        return self.app.operating(self.database, person())

    def job_id(self, key: str) -> int:
        """The ledger's id of a job by the source's key. Raises `NotPossible`, and says what is known."""
        found = self.reporting.job_id(key)
        if found is not None:
            return found
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
