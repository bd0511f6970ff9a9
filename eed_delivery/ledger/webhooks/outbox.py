"""The outbox of webhooks. Notices are written in the transaction of the work itself, so that exactly what happened is
sent."""

import json
import secrets
from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, func, insert, select

from eed_delivery.config import WebhooksSettings
from eed_delivery.database.clock import utc_now
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_webhook
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.untrusted import mask_accounts

NONCE_BYTES = 12
WAITING, DONE, FAILED = "waiting", "done", "failed"
"""A webhook's status: pending, accepted by the endpoint, failed."""

_ROW = insert(eed_webhook).values(
    nonce=bindparam("its_nonce"),
    kind=bindparam("its_kind"),
    job_id=bindparam("its_job_id"),
    email_id=bindparam("its_email_id"),
    gen=bindparam("its_gen"),
    event_id=bindparam("its_event_id"),
    facts=bindparam("its_facts"),
    state=WAITING,
)
PUT = _ROW.values(
    occurred_at=func.coalesce(bindparam("its_occurred_at"), utc_now()), waiting_since=utc_now(), due_at=utc_now()
)
# Of plain parameters alone: PyMySQL makes one statement of many rows then, and not one a row.
PUT_MANY = _ROW.values(
    occurred_at=bindparam("its_occurred_at"), waiting_since=bindparam("put_at"), due_at=bindparam("put_at")
)


class Outbox:
    """Receives notices of the kinds that are wanted, and of none (`SILENT`) where webhooks are off."""

    def __init__(self, kinds: Collection[NoticeKind]) -> None:
        self._kinds = frozenset(kinds)

    @classmethod
    def of(cls, settings: WebhooksSettings) -> "Outbox":
        """What `[webhooks]` wants. That is nothing without a URL, and every kind where none is named."""
        return cls(settings.events or tuple(NoticeKind)) if settings.url else SILENT

    def wants(self, kind: NoticeKind) -> bool:
        return kind in self._kinds

    def put(self, c: Connection, notices: Iterable[Notice]) -> None:
        """Write what is wanted of these in the caller's transaction. If nothing is, they are not read."""
        if not self._kinds:
            return
        rows = [values_of(notice) for notice in notices if notice.kind in self._kinds]
        if len(rows) == 1:
            c.execute(PUT, rows[0])
        elif rows:
            now = c.execute(select(utc_now())).scalar_one()
            c.execute(
                PUT_MANY, [{**row, "put_at": now, "its_occurred_at": row["its_occurred_at"] or now} for row in rows]
            )


SILENT = Outbox(())


def values_of(notice: Notice) -> dict[str, object]:
    """The values of `PUT` for one notice."""
    return {
        "its_nonce": secrets.token_hex(NONCE_BYTES),
        "its_kind": notice.kind,
        "its_job_id": notice.job_id,
        "its_email_id": notice.email_id,
        "its_gen": notice.gen,
        "its_event_id": notice.event_id,
        "its_facts": json.dumps(notice.facts),
        "its_occurred_at": notice.occurred_at,
    }


def with_reason(reason: str | None, **facts: object) -> dict[str, object]:
    """Facts with a reason in them, if there is one. The reason is no longer than the ledger itself keeps it, and has no
    person or account in it."""
    return {**facts, "reason": mask_accounts(reason)[:DETAIL_LENGTH]} if reason else facts
