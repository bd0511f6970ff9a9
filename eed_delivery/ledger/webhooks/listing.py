"""Webhooks for operators, pending and failed ones, and another try."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from eed_delivery.config import WebhooksSettings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, note
from eed_delivery.ledger.schema import eed_webhook
from eed_delivery.ledger.webhooks import statements as sql
from eed_delivery.ledger.webhooks.endpoint import EndpointRow, EndpointState
from eed_delivery.ledger.webhooks.ledger import STEP, email_key, message_id
from eed_delivery.ledger.webhooks.outbox import FAILED, WAITING

_MESSAGE_ID = re.compile(r"msg_([1-9][0-9]{0,17})_[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class WebhookReport:
    """One webhook as an operator sees it. Times are UTC, the keys the source's. `due_at` is its next try, or when it is
    deleted if done or failed. `status` and `answer` are of its last try."""

    message_id: str
    kind: str
    job: str | None
    email: str | None
    state: str
    tries: int
    occurred_at: datetime
    due_at: datetime
    status: int | None
    answer: str | None

    @property
    def place(self) -> tuple[datetime, int]:
        """Where it stands in the list: by `due_at`, then by its number."""
        return self.due_at, int(self.message_id.split("_")[1])


class WebhookList:
    """Lists webhooks for people, and schedules failed ones again. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, settings: WebhooksSettings, who: Actor = SERVICE) -> None:
        """`who` acts, for the audit."""
        self._database = database
        self._who = who
        self._endpoint = EndpointRow(settings)

    def endpoint(self) -> EndpointState:
        """How the endpoint is doing."""
        return self._database.run(self._endpoint.read)

    def go_on(self) -> bool:
        """The endpoint takes messages again. End its pause, if there is one. Returns whether there was."""
        return self._database.did(self._go_on)

    def _go_on(self, c: Connection) -> bool:
        before = self._endpoint.read(c)
        self._endpoint.go_on(c)
        if before.paused_at is None:
            return False
        was = {"paused_at": before.paused_at.isoformat(timespec="seconds") + "Z", "reason": before.reason}
        note(c, self._who, Act(ActKind.WEBHOOK_RESUME, object=ActObject.WEBHOOKS, before=was))
        return True

    def counts(self) -> dict[str, int]:
        """How many there are in each state."""
        return self._database.run(lambda c: {state: count for state, count in c.execute(sql.COUNTS)})  # noqa: C416

    def all(self, state: str, limit: int, after: tuple[datetime, int] | None = None) -> list[WebhookReport]:
        """Those in one state, by `place`. `after`: only those behind this place."""
        values: dict[str, object] = {"its_state": state, "at_most": limit}
        if after is not None:
            values |= {"after_due": after[0], "after_id": after[1]}

        def read(c: Connection) -> list[WebhookReport]:
            rows = c.execute(sql.LISTED if after is None else sql.LISTED_AFTER, values)
            return [_report(row) for row in rows]

        return self._database.run(read)

    def of_email(self, email_id: int, limit: int) -> list[WebhookReport]:
        """The newest about one email."""
        values = {"its_email_id": email_id, "at_most": limit}
        return self._database.run(lambda c: [_report(row) for row in c.execute(sql.OF_EMAIL, values)])

    def tell_anew(self, message_ids: Sequence[str]) -> list[str]:
        """Send these again as if they were new. Returns those that had failed, and are pending now."""
        act = _retry()
        return self._database.did(lambda c: [one for one in message_ids if self._tell_anew(c, one, act)])

    def _tell_anew(self, c: Connection, wanted: str, act: Act) -> bool:
        found = _MESSAGE_ID.fullmatch(wanted)
        if found is None:
            return False
        number = int(found[1])
        columns = (eed_webhook.c.nonce, eed_webhook.c.job_id, eed_webhook.c.email_id)
        row = c.execute(select(*columns).where(eed_webhook.c.webhook_id == number)).one_or_none()
        if row is None or message_id(number, row.nonce) != wanted:
            return False
        if c.execute(sql.TELL_ANEW, {"id": number}).rowcount != 1:
            return False
        its = replace(act, job_id=row.job_id, email_id=row.email_id, object=ActObject.WEBHOOK, key=wanted, count=1)
        note(c, self._who, its)
        return True

    def tell_all_anew(self) -> int:
        """The same for all failed ones, in small steps. Returns how many."""
        done = beyond = 0
        act = _retry()
        while ids := self._database.run(partial(self._given_up, beyond)):
            done += self._database.did(partial(self._all_anew, ids, act))
            beyond = ids[-1]
        return done

    def _given_up(self, beyond: int, c: Connection) -> Sequence[int]:
        return c.execute(sql.GIVEN_UP, {"beyond": beyond, "at_most": STEP}).scalars().all()

    def _all_anew(self, ids: Sequence[int], act: Act, c: Connection) -> int:
        count = sum(c.execute(sql.TELL_ANEW, {"id": one}).rowcount for one in ids)
        if count:
            note(c, self._who, replace(act, count=count))
        return count


def _report(row: Row[*tuple[Any, ...]]) -> WebhookReport:
    return WebhookReport(
        message_id=message_id(row.webhook_id, row.nonce),
        kind=row.kind,
        job=row.job_key,
        email=email_key(row),
        state=row.state,
        tries=row.tries,
        occurred_at=row.occurred_at,
        due_at=row.due_at,
        status=row.status,
        answer=row.answer,
    )


def _retry() -> Act:
    before, after = {"state": FAILED}, {"state": WAITING}
    return Act(ActKind.WEBHOOK_RETRY, object=ActObject.WEBHOOKS, before=before, after=after)
