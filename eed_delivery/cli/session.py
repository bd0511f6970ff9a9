"""What the commands of one call share.

That is the configuration and the parts made from it, each only when it is needed.

Each part is imported where it is made. `--version` needs none of them, and a look into the ledger needs neither queue
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
    from eed_delivery.cli.output import Screen
    from eed_delivery.config import Settings


@dataclass
class Session:
    """One call of `eed-delivery`. `config` is what --config named, `words` the whole command line."""

    config: Path | None = None
    words: tuple[str, ...] = ()
    alone = False
    """Whether root acts without a second person."""

    @cached_property
    def settings(self) -> "Settings":
        """The settings. Raises `ConfigError`."""
        from eed_delivery.config import load

        return load(self.config)

    @cached_property
    def operations(self) -> "Operations":
        """What the caller can ask and decide."""
        from eed_delivery.app.operations import Operations
        from eed_delivery.cli.given import command_line
        from eed_delivery.cli.person import caller

        who = caller(command=command_line(self.words))
        found = Operations(self.settings, who, approved=self.alone)
        self._log_to_stderr()
        return found

    @cached_property
    def screen(self) -> "Screen":
        """Where answers are shown."""
        from eed_delivery.cli.output import Screen

        return Screen.stdout()

    def _log_to_stderr(self) -> None:
        """Stdout belongs to the command's own answer."""
        from eed_delivery import logs
        from eed_delivery.config import LogSettings

        logs.configure(LogSettings(level="warning"), role="cli", stream=sys.stderr)

    def command(self, *words: str) -> str:
        """A command to type next, with the configuration of this call."""
        config = ["--config", str(self.config)] if self.config else []
        return shlex.join(["eed-delivery", *config, *words])


pass_session = click.make_pass_decorator(Session, ensure=True)
