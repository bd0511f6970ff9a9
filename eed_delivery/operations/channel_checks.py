"""A channel is tried: its queue and its way out. Nothing is sent, and nothing stays."""

from collections.abc import Callable, Iterator, Sequence

from eed_delivery.channels.channel import Channel
from eed_delivery.checks.findings import Finding
from eed_delivery.errors import DeliveryFailure, EedError
from eed_delivery.operations.checking import channels, emails, queues
from eed_delivery.operations.checking.parts import CheckedParts
from eed_delivery.operations.checks_at_once import ChecksAtOnce

_Look = tuple[str, Callable[[], Iterator[Finding]]]


class ChannelChecks:
    """Each call may raise `TooManyChecks`."""

    def __init__(self, parts: CheckedParts, checks: ChecksAtOnce) -> None:
        """`checks` limits those of all callers."""
        self._parts = parts
        self._checks = checks

    def of(self, channel: Channel) -> tuple[Finding, ...]:
        """Of a channel that is there."""
        with self._checks.one():
            return self._found(*self._queue_looks(channel), self._way_out(channel))

    def of_new(self, channel: Channel, noted: Callable[[], None]) -> tuple[Finding, ...]:
        """Of settings that are not saved. Its queues may be made only when it is. `noted` is called before."""
        with self._checks.one():
            noted()
            way_out = self._found(self._way_out(channel))
            if channel.queue.create:
                return (Finding("ok", queues.place(channel), "its queues are made when it is saved"), *way_out)
            return (*self._found(*self._queue_looks(channel)), *way_out)

    def _queue_looks(self, channel: Channel) -> Sequence[_Look]:
        place = queues.place(channel)
        return (
            (place, lambda: queues.queue(self._parts, channel)),
            (f"{place}.dead_letter_url", lambda: queues.dead_letters(self._parts, channel)),
        )

    def _way_out(self, channel: Channel) -> _Look:
        where = f"channel {channel.name}"
        if channel.kind is None:
            return where, lambda: emails.transport(self._parts)
        return where, lambda: channels.way_out(self._parts, channel)

    def _found(self, *looks: _Look) -> tuple[Finding, ...]:
        return tuple(finding for where, look in looks for finding in _findings(where, look))


def _findings(where: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except DeliveryFailure as error:
        return [Finding("error", where, error.reply)]
    except EedError as error:
        return [Finding("error", where, str(error))]
