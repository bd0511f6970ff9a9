"""The health of the webhook endpoint, in one row that all processes of all hosts go by."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from eed_delivery.config import WebhooksSettings
from eed_delivery.database.insert import unless_there
from eed_delivery.ledger.schema import DETAIL_LENGTH
from eed_delivery.ledger.webhooks import statements as sql

TOO_MANY_FAILURES = 3
"""Failures in a row after which the endpoint counts as down. Then one message is sent at a time, until one is
accepted."""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """`failures` in a row.

    While there are too many, the next one is sent at `probe_at`. `reason` is that of a pause.
    """

    failures: int
    probe_at: datetime
    paused_at: datetime | None
    reason: str | None

    @property
    def down(self) -> bool:
        return self.failures >= TOO_MANY_FAILURES


@dataclass(frozen=True, slots=True)
class EndpointNews:
    """What a round says of it. It holds failures in a row (0 if it is up, None for nothing new), and how long to leave
    it alone if these are too many. If the endpoint said that it is gone, it holds its words."""

    failures: int | None = None
    pause_seconds: float = 0.0
    gone: str | None = None


class EndpointRow:
    """The row of the URL that is configured. Each call is within the caller's transaction."""

    def __init__(self, settings: WebhooksSettings) -> None:
        self._key = {"its_id": sha256((settings.url or "").encode()).hexdigest()}
        self._insert = unless_there(sql.NEW_ENDPOINT)

    def read(self, c: Connection) -> EndpointState:
        """Its health. An endpoint without any message yet is up."""
        row = c.execute(sql.ENDPOINT, self._key).one_or_none()
        if row is None:
            c.execute(self._insert, self._key)
            row = c.execute(sql.ENDPOINT, self._key).one()
        return EndpointState(row.failures, row.probe_at, row.paused_at, row.reason)

    def may_probe(self, c: Connection, lease_seconds: float) -> bool:
        """Whether it is this process's turn to send one. For a lease, no other process has it."""
        return c.execute(sql.PROBE, {**self._key, "lease": lease_seconds}).rowcount == 1

    def write(self, c: Connection, news: EndpointNews) -> None:
        if news.failures == 0:
            c.execute(sql.UP, self._key)
        elif news.failures is not None:
            c.execute(sql.DOWN, {**self._key, "in_a_row": news.failures, "pause": news.pause_seconds})
        if news.gone is not None:
            c.execute(sql.PAUSE, {**self._key, "why": news.gone[:DETAIL_LENGTH]})

    def go_on(self, c: Connection) -> None:
        """It takes messages again. End its pause, and what its failures have led to."""
        self.read(c)
        c.execute(sql.GO_ON, self._key)
