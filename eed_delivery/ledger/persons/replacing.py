"""Emails with all that belongs to them: their addresses are replaced by pseudonyms, and what may name a person goes.

What is left are states, times, codes and ids: sums and reports stay as they were.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, case, delete, insert, select, update

from eed_delivery.database.insert import unless_there
from eed_delivery.ledger.addresses import compared
from eed_delivery.ledger.schema import (
    eed_attempt,
    eed_email,
    eed_event,
    eed_file,
    eed_former_address,
    eed_job,
    eed_webhook,
)
from eed_delivery.pseudonyms import Pseudonyms, is_pseudonym
from eed_delivery.untrusted import mask_addresses

REPLACED = "(erased)"
"""What stands where a person was named."""

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_ATTEMPTS = (
    select(eed_attempt.c.attempt_id, eed_attempt.c.email_id, eed_attempt.c.gen, eed_attempt.c.recipient)
    .where(eed_attempt.c.email_id.in_(_IDS))
    .order_by(eed_attempt.c.attempt_id)
)
_EVENTS = (
    select(eed_event.c.event_id, eed_event.c.email_id, eed_event.c.gen, eed_event.c.address)
    .where(eed_event.c.email_id.in_(_IDS))
    .order_by(eed_event.c.event_id)
)
_ANSWERED = (
    select(eed_webhook.c.webhook_id, eed_webhook.c.email_id, eed_webhook.c.gen)
    .where(eed_webhook.c.email_id.in_(_IDS), eed_webhook.c.answer.is_not(None))
    .order_by(eed_webhook.c.webhook_id)
)
_FILES = (
    select(eed_file.c.job_id, eed_file.c.email_id, eed_file.c.gen)
    .where(eed_file.c.email_id.in_(_IDS), eed_file.c.path.is_not(None))
    .order_by(eed_file.c.job_id, eed_file.c.email_id, eed_file.c.gen)
    .distinct()
)
_FORMER = (
    select(eed_former_address.c.address, eed_former_address.c.email_id)
    .where(eed_former_address.c.email_id.in_(_IDS))
    .order_by(eed_former_address.c.address, eed_former_address.c.email_id)
)
_ATTEMPT = (
    update(eed_attempt)
    .where(eed_attempt.c.attempt_id == bindparam("id"))
    .values(recipient=bindparam("to"), reply=None)
)  # fmt: skip
_EVENT = (
    update(eed_event).where(eed_event.c.event_id == bindparam("id")).values(address=bindparam("to"), detail="")
)  # fmt: skip
_WEBHOOK = update(eed_webhook).where(eed_webhook.c.webhook_id == bindparam("id")).values(answer=None)
_FILE = (
    update(eed_file)
    .where(eed_file.c.job_id == bindparam("job"))
    .where(eed_file.c.email_id == bindparam("id"))
    .where(eed_file.c.gen == bindparam("of_gen"))
    .values(path=None)
)
_EMAIL = (
    update(eed_email)
    .where(eed_email.c.email_id == bindparam("id"))
    .values(
        recipient=REPLACED,
        address=bindparam("to"),
        detail=case((eed_email.c.detail.is_not(None), REPLACED), else_=None),
    )
)
_DETAILS = select(eed_email.c.email_id, eed_email.c.detail).where(
    eed_email.c.email_id.in_(_IDS), eed_email.c.detail.is_not(None)
)
_DETAIL = update(eed_email).where(eed_email.c.email_id == bindparam("id")).values(detail=bindparam("why"))
_JOBS = select(eed_job.c.job_id, eed_job.c.name, eed_job.c.reason, eed_job.c.total).where(eed_job.c.job_id.in_(_IDS))
_JOB = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .values(name=bindparam("its_name"), reason=bindparam("why"))
)
_NEW_FORMER = unless_there(insert(eed_former_address)).values(address=bindparam("to"), email_id=bindparam("id"))
_OLD_FORMER = delete(eed_former_address).where(
    eed_former_address.c.address == bindparam("former"), eed_former_address.c.email_id == bindparam("id")
)


class PersonReplacement:
    """Replaces persons, within a transaction that is given. The emails are locked by it."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms

    def replace(self, c: Connection, emails: Sequence[Row[*tuple[Any, ...]]], only: str | None = None) -> Counter[str]:
        """Replace the persons of `emails` (`email_id`, `job_id`, `address`), or `only` this canonical address among
        them. An email may have gone to several. Returns how many rows of each table were changed."""
        present = {email.email_id: email.address for email in emails}
        ids = {"ids": sorted(present)}
        if not present:
            return Counter()
        went_to, attempts = self._attempts(c, ids, present, only)

        def is_meant(row: Row[*tuple[Any, ...]]) -> bool:
            return only is None or went_to.get((row.email_id, row.gen), present[row.email_id]) == only

        events = [
            {"id": row.event_id, "to": self._of(row.address)}
            for row in c.execute(_EVENTS, ids).all()
            if (row.address == only if row.address and only else is_meant(row))
        ]
        webhooks = [{"id": row.webhook_id} for row in c.execute(_ANSWERED, ids).all() if is_meant(row)]
        files = [
            {"job": row.job_id, "id": row.email_id, "of_gen": row.gen}
            for row in c.execute(_FILES, ids).all()
            if is_meant(row)
        ]
        former = [row for row in c.execute(_FORMER, ids).all() if only in (None, row.address)]
        mine = [email for email in emails if only in (None, email.address)]
        return Counter(
            {
                "attempts": _each(c, _ATTEMPT, attempts),
                "events": _each(c, _EVENT, events),
                "webhooks": _each(c, _WEBHOOK, webhooks),
                "files": _each(c, _FILE, files),
                "former_addresses": self._former(c, former),
                "emails": _each(c, _EMAIL, [{"id": one.email_id, "to": self._of(one.address)} for one in mine]),
                "details": _details(c, sorted(present.keys() - {one.email_id for one in mine})),
                "jobs": _jobs(c, sorted({one.job_id for one in mine})),
            }
        )

    def _attempts(
        self, c: Connection, ids: Mapping[str, Sequence[int]], present: Mapping[int, str | None], only: str | None
    ) -> tuple[dict[tuple[int, int], str | None], list[dict[str, Any]]]:
        """Where each generation went, and the changes of attempts."""
        went_to: dict[tuple[int, int], str | None] = {}
        changes: list[dict[str, Any]] = []
        for row in c.execute(_ATTEMPTS, ids).all():
            whose = compared(row.recipient) if row.recipient else went_to.get((row.email_id, row.gen))
            if row.recipient:
                went_to[row.email_id, row.gen] = whose
            whose = whose or present[row.email_id]
            if only in (None, whose):
                changes.append({"id": row.attempt_id, "to": self._of(whose) or REPLACED if row.recipient else None})
        return went_to, changes

    def _former(self, c: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> int:
        changed = [row for row in rows if not is_pseudonym(row.address)]
        _each(c, _NEW_FORMER, [{"id": row.email_id, "to": self._of(row.address)} for row in changed])
        return _each(c, _OLD_FORMER, [{"id": row.email_id, "former": row.address} for row in changed])

    def _of(self, address: str | None) -> str | None:
        return address if address is None or is_pseudonym(address) else self._pseudonyms.of(address)


def _each(c: Connection, statement: Any, values: Sequence[Mapping[str, Any]]) -> int:
    if values:
        c.execute(statement, values)
    return len(values)


def _details(c: Connection, ids: Sequence[int]) -> int:
    """The last reply to an email may still be one to the address that it had before."""
    rows = c.execute(_DETAILS, {"ids": ids}).all() if ids else ()
    changes = [(row, masked) for row in rows if (masked := mask_addresses(row.detail)) != row.detail]
    return _each(c, _DETAIL, [{"id": row.email_id, "why": masked} for row, masked in changes])


def _jobs(c: Connection, ids: Sequence[int]) -> int:
    """A job that is one email has that email's name. Any reason may quote a reply."""
    changes = []
    for job in c.execute(_JOBS, {"ids": ids}).all() if ids else ():
        name = REPLACED if job.total <= 1 and job.name else job.name
        reason = mask_addresses(job.reason) if job.reason else None
        if (name, reason) != (job.name, job.reason):
            changes.append({"id": job.job_id, "its_name": name, "why": reason})
    return _each(c, _JOB, changes)
