"""Doubts by worker and minute: when a worker dies, all that it had on the wire are in doubt together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from eed_delivery.ledger.doubts import Doubt, OnTheWire
from eed_delivery.ledger.workers import SeenProcess

SLOW_SECONDS = 60.0
"""A hand-over that takes longer is of a worker that is slow, or dead."""


@dataclass(frozen=True, slots=True)
class DoubtGroup:
    """Doubts of one worker and minute.

    `workers`: the one that wrote the doubts itself, or each of the channel that fell silent then. None may be known.
    `minute` is UTC.
    """

    workers: tuple[str, ...]
    minute: datetime | None
    doubts: tuple[Doubt, ...]

    @property
    def jobs(self) -> tuple[str, ...]:
        """The keys of their jobs."""
        return tuple(dict.fromkeys(doubt.job_key for doubt in self.doubts))


@dataclass(frozen=True, slots=True)
class DoubtsView:
    """All doubts by worker and minute, and what may become one. `as_of` is the database's clock, in UTC."""

    groups: tuple[DoubtGroup, ...]
    on_the_wire: tuple[OnTheWire, ...]
    as_of: datetime

    @property
    def count(self) -> int:
        """All doubts."""
        return sum(len(group.doubts) for group in self.groups)

    def first(self, most: int) -> tuple[Doubt, ...]:
        """The latest doubts."""
        return tuple(islice((doubt for group in self.groups for doubt in group.doubts), most))


def grouped(doubts: Iterable[Doubt], processes: Sequence[SeenProcess]) -> tuple[DoubtGroup, ...]:
    """The latest group first."""
    workers = [one for one in processes if one.role == "worker"]
    groups: dict[tuple[tuple[str, ...], datetime | None], list[Doubt]] = {}
    for doubt in doubts:
        minute = doubt.wire_at.replace(second=0, microsecond=0) if doubt.wire_at else None
        who = (doubt.worker,) if doubt.worker else _silent_since(workers, doubt)
        groups.setdefault((who, minute), []).append(doubt)
    found = [DoubtGroup(who, minute, tuple(doubts)) for (who, minute), doubts in groups.items()]
    return tuple(sorted(found, key=lambda group: str(group.minute or ""), reverse=True))


def _silent_since(workers: Sequence[SeenProcess], doubt: Doubt) -> tuple[str, ...]:
    """The workers of its channel whose heartbeat ended around its hand-over."""
    if doubt.wire_at is None:
        return ()
    around = timedelta(seconds=SLOW_SECONDS)
    return tuple(
        sorted(
            one.worker_id
            for one in workers
            if one.channel == doubt.channel and abs(one.last_seen - doubt.wire_at) <= around and one.age > SLOW_SECONDS
        )
    )
