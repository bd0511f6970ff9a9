"""The ledger for the webhook sender. It holds due webhooks under a lease and a token, and records their results.

While a process sends a row, its `due_at` lies in the future. No other process sees it until that lease has run out, and
the late process then changes no row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row

from eed_delivery.config import WebhooksSettings
from eed_delivery.database.clock import DAY_SECONDS
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import DETAIL_LENGTH
from eed_delivery.ledger.webhooks import statements as sql
from eed_delivery.ledger.webhooks.endpoint import EndpointNews, EndpointRow, EndpointState
from eed_delivery.ledger.webhooks.outbox import DONE, FAILED

STEP = 500
"""Rows of one transaction of the housekeeping."""


@dataclass(frozen=True, slots=True)
class Held:
    """A webhook that this process holds, with all that is sent. `tries` counts this one. `was_due` is when it was due
    before we held it."""

    webhook_id: int
    message_id: str
    kind: str
    job_key: str | None
    email_key: str | None
    recipient: str | None
    gen: int | None
    event_id: str | None
    facts: str
    occurred_at: datetime
    tries: int
    was_due: datetime


@dataclass(frozen=True, slots=True)
class Work:
    """What a look gave, and how the endpoint is doing. `more` means that it is worth looking again at once."""

    endpoint: EndpointState
    held: tuple[Held, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Try:
    """What came of telling one.

    `status` is HTTP's, None without an answer. `delay` is the seconds until the next try.
    """

    webhook_id: int
    status: int | None
    words: str
    delay: float = 0.0

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def message_id(webhook_id: int, nonce: str) -> str:
    """The `webhook-id` of a row, the same at each try and globally unique."""
    return f"msg_{webhook_id}_{nonce}"


def email_key(row: Row[*tuple[Any, ...]]) -> str | None:
    """The source's key of a webhook's email. None where it is about none."""
    return row.email_key or (None if row.email_id is None else str(row.email_id))


class WebhookLedger:
    """What the role `webhooks` may do to the ledger. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, settings: WebhooksSettings) -> None:
        self._database = database
        self._endpoint = EndpointRow(settings)
        self._max_age = settings.max_age_seconds
        self._keep_done = settings.keep_days * DAY_SECONDS
        self._keep_failed = settings.keep_failed_days * DAY_SECONDS

    def take(self, token: int, lease_seconds: float, limit: int) -> Work:
        """Hold up to `limit` that are due, for a lease. Hold one where the endpoint is down and its time has come, and
        none while it is paused."""
        return self._database.run(lambda c: self._take(c, token, lease_seconds, limit))

    def _take(self, c: Connection, token: int, lease: float, limit: int) -> Work:
        endpoint = self._endpoint.read(c)
        if endpoint.paused_at is not None:
            return Work(endpoint)
        due = c.execute(sql.DUE, {"at_most": 1 if endpoint.down else limit}).all()
        if not due or (endpoint.down and not self._endpoint.may_probe(c, lease)):
            return Work(endpoint)
        ids = sorted(row.webhook_id for row in due)  # one order for all processes' row locks
        c.execute(sql.HOLD, {"ids": ids, "new_token": token, "lease": lease})
        was_due = {row.webhook_id: row.due_at for row in due}
        rows = c.execute(sql.HELD, {"ids": ids, "our_token": token})
        return Work(endpoint, tuple(_held(row, was_due[row.webhook_id]) for row in rows), more=True)

    def record(self, token: int, tries: Sequence[Try], untried: Sequence[Held], news: EndpointNews) -> int:
        """Write the results, and put back what was not tried. Returns how many have failed for good."""
        return self._database.did(lambda c: self._record(c, token, tries, untried, news))

    def _record(
        self, c: Connection, token: int, tries: Sequence[Try], untried: Sequence[Held], news: EndpointNews
    ) -> int:
        for status, group in groupby(sorted((t for t in tries if t.taken), key=_status), _status):
            ids = sorted(one.webhook_id for one in group)
            c.execute(sql.TOLD, {"ids": ids, "our_token": token, "its_status": status, "keep": self._keep_done})
        given_up = sum(self._refused(c, token, one) for one in tries if not one.taken)
        for held in untried:
            c.execute(sql.RELEASE, {"id": held.webhook_id, "our_token": token, "was_due": held.was_due})
        self._endpoint.write(c, news)
        return given_up

    def _refused(self, c: Connection, token: int, one: Try) -> bool:
        """Schedule another try, or mark it failed. Returns whether it was marked failed."""
        values = {
            "id": one.webhook_id,
            "our_token": token,
            "its_status": one.status,
            "words": one.words[:DETAIL_LENGTH] or None,
        }
        within = self._max_age - one.delay
        if within > 0 and c.execute(sql.AGAIN, {**values, "delay": one.delay, "within": within}).rowcount == 1:
            return False
        return c.execute(sql.GIVE_UP, {**values, "keep": self._keep_failed}).rowcount == 1

    def expire(self) -> int:
        """Mark failed what has waited too long for an endpoint that is down. Up to `STEP` a call. How many."""

        def work(c: Connection) -> int:
            ids = c.execute(sql.TOO_OLD, {"max_age": self._max_age, "at_most": STEP}).scalars().all()
            values = {"max_age": self._max_age, "keep": self._keep_failed}
            return sum(c.execute(sql.EXPIRE, {**values, "id": one}).rowcount for one in sorted(ids))

        return self._database.did(work)

    def forget(self) -> int:
        """Delete what was delivered or failed long enough ago, by its keys. Up to `STEP` of each a call. How many."""

        def work(c: Connection) -> int:
            ids: list[int] = []
            for ended in (DONE, FAILED):
                ids += c.execute(sql.FORGETTABLE, {"ended": ended, "at_most": STEP}).scalars()
            return sum(c.execute(sql.FORGET, {"id": one}).rowcount for one in sorted(ids))

        return self._database.did(work)


def _status(one: Try) -> int:
    return one.status or 0


def _held(row: Row[*tuple[Any, ...]], was_due: datetime) -> Held:
    return Held(
        webhook_id=row.webhook_id,
        message_id=message_id(row.webhook_id, row.nonce),
        kind=row.kind,
        job_key=row.job_key,
        email_key=email_key(row),
        recipient=row.recipient,
        gen=row.gen,
        event_id=row.event_id,
        facts=row.facts,
        occurred_at=row.occurred_at,
        tries=row.tries,
        was_due=was_due,
    )
