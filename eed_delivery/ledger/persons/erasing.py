"""The erasure of one address, a chunk at a time. It may be broken off at any point and run again."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from eed_delivery.addresses import domain_of
from eed_delivery.database.clock import utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, is_noted, new_operation, note
from eed_delivery.ledger.persons.replacing import REPLACED, PersonReplacement
from eed_delivery.ledger.schema import eed_domain_hold, eed_email, eed_event, eed_former_address, eed_suppression
from eed_delivery.ledger.suppression import statements as sql
from eed_delivery.model import END_STATES, EmailState
from eed_delivery.pseudonyms import Pseudonyms
from eed_delivery.untrusted import mask_addresses

CHUNK = 100
"""Emails of one transaction: few enough that nothing waits for its locks."""
EVENTS_AT_ONCE = 500
SETTLED = sorted(END_STATES - {EmailState.IN_DOUBT})

_COLUMNS = (eed_email.c.email_id, eed_email.c.job_id, eed_email.c.address)
EMAILS = (
    select(*_COLUMNS)
    .where(eed_email.c.address == bindparam("its_address"))
    .where(eed_email.c.state.in_(SETTLED))
    .order_by(eed_email.c.email_id)
    .limit(CHUNK)
    .with_for_update()
)
# Only what went to the former address is changed, so the email itself may be on its way.
_FORMER_IDS = (
    select(eed_former_address.c.email_id)
    .where(eed_former_address.c.address == bindparam("its_address"))
    .order_by(eed_former_address.c.email_id)
    .limit(CHUNK)
)
_BY_ID = select(*_COLUMNS).where(eed_email.c.email_id.in_(bindparam("ids", expanding=True))).with_for_update()
_NO_EMAIL = delete(eed_former_address).where(
    eed_former_address.c.address == bindparam("its_address"),
    eed_former_address.c.email_id.in_(bindparam("ids", expanding=True)),
)
EVENTS = select(eed_event.c.event_id).where(eed_event.c.address == bindparam("its_address")).limit(EVENTS_AT_ONCE)
_EVENT = (
    update(eed_event)
    .where(eed_event.c.event_id.in_(bindparam("ids", expanding=True)))
    .values(address=bindparam("to"), detail="")
)
_ENTRIES = select(eed_suppression).where(eed_suppression.c.address == bindparam("its_address")).with_for_update()
_GONE = delete(eed_suppression).where(eed_suppression.c.address == bindparam("its_address"))
_HOLDS = select(eed_domain_hold.c.channel, eed_domain_hold.c.reason).where(
    eed_domain_hold.c.domain == bindparam("its_domain")
)
_HELD = (
    update(eed_domain_hold)
    .where(eed_domain_hold.c.channel == bindparam("its_channel"))
    .where(eed_domain_hold.c.domain == bindparam("its_domain"))
    .values(reason=bindparam("why"))
)


class ErasingLedger:
    """Erases a canonical address. Raises `DatabaseGone`: what is done stays done, and the rest is done by the next
    call."""

    def __init__(self, database: Database, pseudonyms: Pseudonyms, who: Actor) -> None:
        """`pseudonyms` must have a key. `who` acts, for the audit, which gets the pseudonym."""
        self._database = database
        self._pseudonyms = pseudonyms
        self._replacement = PersonReplacement(pseudonyms)
        self._who = who
        self._insert = unless_there(insert(eed_suppression))

    def erase(self, address: str, reason: str, *, suppress: str | None = None) -> Counter[str]:
        """Replace the address wherever its emails are settled, and return how many rows of each kind were changed.

        `suppress`: what put it on the list, if it is to be there for every email."""
        operation = new_operation()
        act = Act(
            ActKind.PERSON_ERASE,
            object=ActObject.ADDRESS,
            key=self._pseudonyms.of(address),
            reason=reason,
            operation=operation,
        )
        self._database.run(lambda c: None if is_noted(c, operation) else note(c, self._who, act))
        done: Counter[str] = Counter()
        steps: tuple[Callable[[Connection], Counter[str]], ...] = (
            lambda c: self._entries(c, address, suppress),
            lambda c: +self._replacement.replace(c, c.execute(EMAILS, {"its_address": address}).all(), address),
            lambda c: self._former(c, address),
            lambda c: self._events(c, address),
            lambda c: _holds(c, address),
        )
        for step in steps:
            while changed := self._database.did(step):
                done += changed
        self._database.run(lambda c: self._note_end(c, act, done))
        return done

    def _note_end(self, c: Connection, act: Act, done: Counter[str]) -> None:
        counts = {"entries": 0, "emails": 0, **done}
        note(c, self._who, Act(act.kind, object=act.object, key=act.key, counts=counts, operation=act.operation))

    def _entries(self, c: Connection, address: str, suppress: str | None) -> Counter[str]:
        """The list's entries get the pseudonym, each with its category and its end. Of two the longer one stays."""
        pseudonym, count = self._pseudonyms.of(address), 0
        for entry in c.execute(_ENTRIES, {"its_address": address}).all():
            self._enter(c, {**entry._mapping, "address": pseudonym, "reason": REPLACED})
            count += 1
        if suppress is not None:
            values = {"category": sql.EVERY_EMAIL, "source": suppress, "reason": REPLACED, "expires_at": None}
            count += self._enter(c, {"address": pseudonym, "created_at": utc_now(), **values})
        c.execute(_GONE, {"its_address": address})
        return +Counter({"entries": count})

    def _enter(self, c: Connection, values: dict[str, Any]) -> bool:
        if c.execute(self._insert.values(values)).rowcount == 1:
            return True
        one = {"its_address": values["address"], "its_category": values["category"]}
        one |= {"why": values["reason"], "by": values["source"]}
        sql.mark_wish(c, values["address"], values["category"], values["reason"], values["source"])
        if values["expires_at"] is None:
            return c.execute(sql.FOR_EVER, one).rowcount == 1
        return c.execute(sql.PROLONG_UNTIL, {**one, "until": values["expires_at"]}).rowcount == 1

    def _former(self, c: Connection, address: str) -> Counter[str]:
        ids = list(c.execute(_FORMER_IDS, {"its_address": address}).scalars())
        emails = c.execute(_BY_ID, {"ids": ids}).all() if ids else []
        changed = self._replacement.replace(c, emails, address)
        if gone := sorted(set(ids) - {email.email_id for email in emails}):
            changed["former_addresses"] += c.execute(_NO_EMAIL, {"its_address": address, "ids": gone}).rowcount
        return +changed

    def _events(self, c: Connection, address: str) -> Counter[str]:
        ids = sorted(c.execute(EVENTS, {"its_address": address}).scalars())
        if ids:
            c.execute(_EVENT, {"ids": ids, "to": self._pseudonyms.of(address)})
        return +Counter({"events": len(ids)})


def _holds(c: Connection, address: str) -> Counter[str]:
    """The reason of its domain's hold on a channel may quote a reply with the address in it."""
    domain, count = domain_of(address), 0
    for channel, reason in c.execute(_HOLDS, {"its_domain": domain}).all():
        if (masked := mask_addresses(reason)) != reason:
            c.execute(_HELD, {"its_channel": channel, "its_domain": domain, "why": masked})
            count += 1
    return +Counter({"domain_holds": count})
