"""Who calls a command: for the audit."""

import os
import pwd

from eed_delivery.config.environment import sudo_user


def person(sudo: str | None = None) -> str:
    """The operating system's name of this process's user. Under sudo, who called it as well: anybody may set that
    variable, so the user stands there too."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's number without a name
        name = str(uid)
    caller = sudo_user() if sudo is None else sudo
    return f"{caller} as {name}" if caller and caller != name else name
