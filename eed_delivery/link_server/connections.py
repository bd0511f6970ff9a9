"""Connections that take long to send their request. Each has a deadline, and when there are too many the slowest go.

Waitress closes a connection that says nothing. One that sends a byte now and then stays as long as it likes. Five
hundred of them shut out other clients ("slow loris"). Bodies wait in files before anybody has looked who sends them,
so that what all of them hold is bounded, too.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from waitress.channel import HTTPChannel

REQUEST_SECONDS = 10.0
"""For a whole request, from the connection or its first byte on. Ours are small: a slow telephone needs two."""
LEAST_BYTES_PER_SECOND = 65_536
"""Of a request whose body is large."""
MOST = 500
"""Connections at the same time."""
SPARE = 100
"""Connections beyond that, which are accepted before the slowest are closed."""
SMALL = 65_536
"""Bytes of a request that may always wait. Waitress keeps that much of a body in memory, and the rest in a file."""
LARGE_BYTES = 2**24
"""Of all larger requests together."""
MOST_OF_AN_ADDRESS = 50
"""Connections of one address of the internet. A proxy in front of us has a private one, and is not limited."""


class TimedChannel(HTTPChannel):
    """A connection that knows when its wait for a request began."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.awaited_since = time.monotonic()
        self.bytes_of_request = 0
        super().__init__(*arguments, **named)

    def received(self, data: bytes) -> bool:
        """What has come. The first byte of another request starts its time."""
        if self.request is None:
            self.awaited_since = time.monotonic()
            self.bytes_of_request = 0
        self.bytes_of_request += len(data)
        return bool(super().received(data))

    @property
    def allowed_seconds(self) -> float:
        """How long its request may take: longer with each byte that has come, so that large files pass."""
        return REQUEST_SECONDS + self.bytes_of_request / LEAST_BYTES_PER_SECOND

    @property
    def is_busy(self) -> bool:
        """Whether a whole request of it is being answered."""
        return bool(self.requests) or self.total_outbufs_len > 0

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request has come."""
        return self.request is not None

    @property
    def bytes_held(self) -> int:
        """How much of a request is kept here, in memory or in a file, until it is answered."""
        return self.bytes_of_request if self.has_begun or self.requests else 0

    def end(self) -> None:
        """Close it, with nothing more to say."""
        self.will_close = True


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there are at the same time, of all and of one address of the internet. `large_bytes` is
    what all requests of more than SMALL bytes may have sent together before they are answered."""

    most: int = MOST
    most_of_an_address: int = MOST_OF_AN_ADDRESS
    large_bytes: int = LARGE_BYTES


DEFAULT = ConnectionLimits()


def tidy(channels: Sequence[TimedChannel], now: float, limits: ConnectionLimits = DEFAULT) -> None:
    """Close what has taken too long, and the slowest where there are too many, or where they hold too much. `now` is of
    the monotonic clock."""
    waiting = sorted((c for c in channels if not c.is_busy and not c.will_close), key=lambda c: c.awaited_since)
    late = [c for c in waiting if c.has_begun and now - c.awaited_since > c.allowed_seconds]
    in_time = [c for c in waiting if c not in late]
    room = max(0, limits.most - (len(channels) - len(waiting)))
    slowest, kept = in_time[: max(0, len(in_time) - room)], in_time[max(0, len(in_time) - room) :]
    for channel in (*late, *slowest, *_beyond_its_share(kept, limits.most_of_an_address)):
        channel.end()
    _bound_bytes(channels, now, limits.large_bytes)


def _bound_bytes(channels: Sequence[TimedChannel], now: float, most: int) -> None:
    """Close the slowest of the large requests until the others hold little enough. One that is answered stays."""
    large = [c for c in channels if c.bytes_held > SMALL and not c.will_close]
    held = sum(c.bytes_held for c in large)
    if held <= most:
        return
    for channel in sorted(large, key=lambda c: c.bytes_held / max(now - c.awaited_since, 0.001)):
        if held > most and not channel.is_busy:
            channel.end()
            held -= channel.bytes_held


def _beyond_its_share(channels: list[TimedChannel], most: int) -> list[TimedChannel]:
    """Of each address of the internet the slowest connections beyond `most`."""
    counts = Counter(c.addr[0] for c in channels)
    too_many = {address: count - most for address, count in counts.items() if count > most and _is_public(address)}
    beyond = []
    for channel in channels if too_many else ():
        if too_many.get(channel.addr[0], 0) > 0:
            too_many[channel.addr[0]] -= 1
            beyond.append(channel)
    return beyond


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
