"""Who calls a command, for the audit."""

import os
import pwd
import socket

from eed_delivery.config.environment import sudo_user
from eed_delivery.operations.actor import Actor


def caller(sudo: str | None = None, command: str = "") -> Actor:
    """The operating system's user of this process. Under sudo, who called it as well. Any user may set that variable,
    so the user stands there too. `command` is the command line, without secrets."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's number without a name
        name = str(uid)
    return Actor(name, "cli", socket.gethostname(), sudo_user() if sudo is None else sudo, command)


def is_root() -> bool:
    """Whether root calls."""
    return os.geteuid() == 0


def person(sudo: str | None = None) -> str:
    """The caller's name, as the audit has it."""
    return caller(sudo).name
