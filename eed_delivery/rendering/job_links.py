"""What a job's emails hold that leads back to us.

It is made elsewhere, because rendering knows no keys and no addresses.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobLinks:
    """Two functions, each None where the job's emails have nothing of the kind. Both take an email's id and generation.

    `unsubscribe` gives the one-click address of that email (RFC 8058), with https, in plain ASCII, short enough for a
    header. `tracked` gives the HTML to send for the HTML that the template gave. The links named last stay unchanged.
    """

    unsubscribe: Callable[[int, int], str] | None = None
    tracked: Callable[[int, int, str, Container[str]], str] | None = None


NO_LINKS = JobLinks()
