"""The column `address` of the ledger's emails, and which address an email of an earlier generation went to."""

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, select, update

from eed_delivery.addresses import canonical
from eed_delivery.ledger.schema import eed_attempt, eed_email
from eed_delivery.pseudonyms import is_pseudonym

# By the number alone: with the job, the database would walk through all of it.
_LACKING = (
    select(eed_email.c.email_id, eed_email.c.recipient)
    .where(eed_email.c.email_id.between(bindparam("first"), bindparam("last")))
    .where(eed_email.c.address.is_(None))
)
_SET = update(eed_email).where(eed_email.c.email_id == bindparam("id")).values(address=bindparam("form"))

# In the order of time: of several tries of one generation, the last one speaks for it.
WENT_TO = (
    select(eed_attempt.c.email_id, eed_attempt.c.gen, eed_attempt.c.recipient)
    .where(eed_attempt.c.email_id.in_(bindparam("ids", expanding=True)))
    .where(eed_attempt.c.recipient.is_not(None))
    .order_by(eed_attempt.c.attempt_id)
)


def complete(c: Connection, first: int, last: int) -> None:
    """Give emails, from one number to another, the canonical address that the database has not made by itself when it
    copied them (`plain_form`)."""
    lacking = c.execute(_LACKING, {"first": first, "last": last}).all()
    found = [{"id": row.email_id, "form": form} for row in lacking if (form := canonical(row.recipient))]
    if found:
        c.execute(_SET, found)


def compared(recipient: str) -> str | None:
    """A recipient in the form in which addresses are compared; one that was erased stands for itself."""
    return recipient if is_pseudonym(recipient) else canonical(recipient)


def of_generations(c: Connection, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Where these generations of emails went, by id and generation, in canonical form. Without those that never did, or
    are of a release that did not record it."""
    if not wanted:
        return {}
    rows = c.execute(WENT_TO, {"ids": sorted({email_id for email_id, _ in wanted})})
    forms = {(row.email_id, row.gen): compared(row.recipient) for row in rows}
    return {which: form for which in wanted if (form := forms.get(which)) is not None}
