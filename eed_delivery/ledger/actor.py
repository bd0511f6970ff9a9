"""Who acts, a person by a surface or the service itself. The audit keeps it with each act."""

import socket
from dataclasses import dataclass
from typing import Literal

Surface = Literal["cli", "api", "page", "lambda", "service"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for an operation, and by which way.

    `user` is the account that the surface has checked. `sudo_user` is who called it by sudo. Any user may claim that,
    so the user stands beside it. `host` is where the surface runs. `command` is what was called, without secrets. It is
    the command line, or an API's method and path.
    """

    user: str
    surface: Surface
    host: str = ""
    sudo_user: str | None = None
    command: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return shown_name(self.user, self.sudo_user)


SERVICE = Actor("service", "service", socket.gethostname())
"""Who it was when it was no person."""


def shown_name(user: str, sudo_user: str | None) -> str:
    """An account, with who called it by sudo: `anna as eed`."""
    return f"{sudo_user} as {user}" if sudo_user and sudo_user != user else user
