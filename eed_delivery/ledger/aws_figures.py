"""What SQS and SES said last. A sweeper asks them for all, so that few processes need their clients."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_aws_figure
from eed_delivery.model import DEFAULT_CHANNEL, Depth

QUEUE, ACCOUNT = "queue", "account"
FORGOTTEN_SECONDS = 3600.0
"""What is older belongs to a channel that was removed, or to no sweeper that works."""

_f = eed_aws_figure.c
_IT = (_f.kind == bindparam("its_kind"), _f.channel == bindparam("its_channel"))
CHANGE = update(eed_aws_figure).where(*_IT).values(facts=bindparam("its_facts"), asked_at=utc_now())
_FIRST = unless_there(insert(eed_aws_figure)).values(
    kind=bindparam("its_kind"), channel=bindparam("its_channel"), facts=bindparam("its_facts"), asked_at=utc_now()
)
_FORGET = delete(eed_aws_figure).where(_f.asked_at <= utc_in(-FORGOTTEN_SECONDS))
_ALL = (
    select(_f.channel, _f.facts, seconds_until(_f.asked_at).label("seconds"))
    .where(_f.kind == bindparam("its_kind"))
    .where(_f.asked_at > utc_in(-FORGOTTEN_SECONDS))
    .order_by(_f.channel)
)


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """A channel's queue as SQS counted it, about. `dead` None: it has no dead-letter queue. `age` is in seconds."""

    channel: str
    alive: Depth
    dead: Depth | None
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class SesLimits:
    """What SES allows: emails a second, and in 24 hours (-1: no limit). `age` is in seconds."""

    max_send_rate: float
    max_24_hour_send: float
    sent_last_24_hours: float
    age: float = 0.0

    @property
    def used_percent(self) -> float:
        """Of the quota of 24 hours."""
        # -1 is "no limit": https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendQuota.html
        return 100 * self.sent_last_24_hours / self.max_24_hour_send if self.max_24_hour_send > 0 else 0.0


class AwsFigureLedger:
    """Keeps the last answers. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note_queue(self, counts: QueueCounts) -> None:
        """A queue was counted now."""
        dead = None if counts.dead is None else asdict(counts.dead)
        self._note(QUEUE, counts.channel, {"alive": asdict(counts.alive), "dead": dead})

    def note_limits(self, limits: SesLimits) -> None:
        """SES has named its limits now."""
        facts = asdict(limits)
        del facts["age"]
        self._note(ACCOUNT, DEFAULT_CHANNEL, facts)

    def forget(self) -> None:
        """Delete what nobody has asked for lately."""
        self._database.run(lambda c: c.execute(_FORGET))

    def queues(self) -> tuple[QueueCounts, ...]:
        """The queues by channel, with the age of each count."""

        def read(c: Connection) -> tuple[QueueCounts, ...]:
            return tuple(_counts(*row) for row in c.execute(_ALL, {"its_kind": QUEUE}))

        return self._database.run(read)

    def limits(self) -> SesLimits | None:
        """SES's limits. None: they are not known."""

        def read(c: Connection) -> SesLimits | None:
            row = c.execute(_ALL, {"its_kind": ACCOUNT}).first()
            return None if row is None else SesLimits(**json.loads(row.facts), age=max(0.0, -float(row.seconds)))

        return self._database.run(read)

    def _note(self, kind: str, channel: str, facts: dict[str, Any]) -> None:
        values = {"its_kind": kind, "its_channel": channel, "its_facts": json.dumps(facts, separators=(",", ":"))}

        def work(c: Connection) -> None:
            if c.execute(CHANGE, values).rowcount == 0:
                c.execute(_FIRST, values)

        self._database.run(work)


def _counts(channel: str, facts: str, seconds: float) -> QueueCounts:
    found = json.loads(facts)
    dead = None if found["dead"] is None else Depth(**found["dead"])
    return QueueCounts(channel, Depth(**found["alive"]), dead, max(0.0, -float(seconds)))
