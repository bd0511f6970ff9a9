"""Who acts: for the audit, which keeps it with each act."""

from dataclasses import dataclass
from typing import Literal

Surface = Literal["cli", "api", "page", "lambda"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for an operation, and by which way.

    `user` is the account that the surface has checked. `sudo_user` is who called it by sudo. Any user may claim that,
    so the user stands beside it. `host` is where the surface runs.
    """

    user: str
    surface: Surface
    host: str = ""
    sudo_user: str | None = None

    @property
    def name(self) -> str:
        """As the audit has it."""
        caller = self.sudo_user
        return f"{caller} as {self.user}" if caller and caller != self.user else self.user
