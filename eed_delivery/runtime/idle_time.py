"""How long a kept connection has not been used, by two clocks.

A NAT gateway or a firewall forgets an idle connection, and tells neither end. Whatever is written to it then is lost.
https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html (350 seconds)

The monotonic clock may stand still while a machine is suspended, or a sandbox of Lambda is frozen. The wall clock is
set right afterwards. It may also be wrong and jump, so both count.
"""

import time
from collections.abc import Callable

Clock = Callable[[], float]


class IdleTime:
    """Begins at its making, and anew with each `used`."""

    __slots__ = ("_monotonic", "_used", "_used_on_wall", "_wall")

    def __init__(self, monotonic: Clock = time.monotonic, wall: Clock = time.time) -> None:
        self._monotonic, self._wall = monotonic, wall
        self.used()

    def used(self) -> None:
        """The connection has just proved that it works."""
        self._used, self._used_on_wall = self._monotonic(), self._wall()

    def exceeds(self, seconds: float) -> bool:
        """Whether either clock says that it was longer. A wall clock that went back has said nothing else either."""
        return self._monotonic() - self._used > seconds or abs(self._wall() - self._used_on_wall) > seconds
