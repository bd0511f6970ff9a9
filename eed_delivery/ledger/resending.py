"""Sends a sent email once more, by an operator's command.

It is a new email of the same job, linked to the first one.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, literal, select, update

from eed_delivery.addresses import NotAnAddress, canonical, shown, wire_form
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.errors import Miscounted, NotPossible
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, Particulars, is_noted, new_operation, note
from eed_delivery.ledger.operating import reopen
from eed_delivery.ledger.resends import next_key
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_email, eed_job, eed_suppression
from eed_delivery.ledger.suppression import statements as suppression_sql
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox
from eed_delivery.model import KEY_LENGTH, RESEND_IDS, EmailState
from eed_delivery.pseudonyms import NO_PSEUDONYMS, Pseudonyms
from eed_delivery.source import Source

COUNT_RESEND = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .values(total=eed_job.c.total + 1, resent=eed_job.c.resent + 1)
)
_ITS_CATEGORY = select(eed_job.c.category).where(eed_job.c.job_id == bindparam("id")).scalar_subquery()
_ITS_CHANNEL = select(eed_job.c.channel).where(eed_job.c.job_id == bindparam("id"))
SUPPRESSING = (
    select(eed_suppression)
    .where(eed_suppression.c.address.in_(bindparam("forms", expanding=True)))
    .where(eed_suppression.c.category.in_([literal(suppression_sql.EVERY_EMAIL), _ITS_CATEGORY]))
    .where(suppression_sql.in_force())
)


@dataclass(frozen=True, slots=True)
class Resend:
    """What an operator wants. `recipient` is where it goes. None means where the source says when it is sent.

    `despite_list` means to a suppressed address, too. Not `despite_complaint`: unless its recipient has complained.
    """

    email_id: int
    reason: str
    recipient: str | None = None
    despite_list: bool = False
    despite_complaint: bool = True


@dataclass(frozen=True, slots=True)
class Resent:
    """The new email's key, and where it goes as things are."""

    key: str
    recipient: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written. `original` is the source's own email, even when a resend of it is sent once more."""

    original: Row[Any]
    key: str
    recipient: str  # in wire form


class ResendLedger:
    """Sends emails once more. Raises `NotPossible`, with what to do instead, or `DatabaseGone`."""

    def __init__(
        self,
        database: Database,
        source: Source,
        who: Actor,
        outbox: Outbox = SILENT,
        pseudonyms: Pseudonyms = NO_PSEUDONYMS,
        file_channels: Callable[[], Collection[str]] = lambda: (),
    ) -> None:
        """`who` acts, for the audit. `outbox` receives its notices. `pseudonyms` are those of erased addresses.
        `file_channels` names the channels that put files, which the suppression list does not concern."""
        self._file_channels = file_channels
        self._pseudonyms = pseudonyms
        self._outbox = outbox
        self._database = database
        self._source = source
        self._who = who

    def resend(self, wanted: Resend) -> Resent:
        """Enter the new email. The service sends it by itself. The source's row keeps what it says of the original."""
        # The key is chosen outside of the transaction that enters the email: should that one run again, because its
        # answer was lost, it finds the key taken, and enters no second one.
        unlisted = () if wanted.despite_list else self._file_channels()
        plan = self._database.run(lambda c: self._plan(c, wanted, unlisted))
        operation = new_operation()
        self._database.run(lambda c: self._enter(c, wanted, plan, operation))
        return Resent(plan.key, plan.recipient)

    def _plan(self, c: Connection, wanted: Resend, unlisted: Collection[str]) -> _Plan:
        sent = _email(c, wanted.email_id)
        if sent.state not in _ENDED:
            what = f"only a sent or suppressed email is sent once more, and {_key(sent)} is {sent.state}."
            raise NotPossible(f"{what} {_INSTEAD}")
        original = sent if sent.resend_of is None else _email(c, sent.resend_of)
        key = next_key(c, _key(original))
        if len(key) > KEY_LENGTH:
            raise NotPossible(f"the resend's key {key} is longer than {KEY_LENGTH} characters, and cannot be kept.")
        now = self._source.recipients(c, [_key(original)])
        if not now:
            raise NotPossible(f"the source's row of email {_key(original)} has gone, and its content with it.")
        recipient = now[_key(original)] if wanted.recipient is None else wanted.recipient
        try:
            wire = wire_form(recipient)
        except NotAnAddress as error:
            raise NotPossible(
                f"the address to send to is not valid: {error}. Correct it, or give one by --to."
            ) from error
        if not wanted.despite_list and c.execute(_ITS_CHANNEL, {"id": original.job_id}).scalar_one() not in unlisted:
            _refuse_suppressed(c, original.job_id, wire, self._pseudonyms)
        if not wanted.despite_complaint:
            _refuse_complainer(c, original.job_id, wire, self._pseudonyms)
        return _Plan(original, key, wire)

    def _enter(self, c: Connection, wanted: Resend, plan: _Plan, operation: str) -> None:
        original = plan.original
        # First the job, as a requeue does: the sweeper's `finish` comes wholly before or wholly after this.
        if not reopen(c, self._source, self._outbox, original.job_id):
            raise NotPossible(f"the job of email {_key(original)} is cancelled, and sends nothing more.")
        told = f"as {plan.key} to {plan.recipient}: {wanted.reason}"[:DETAIL_LENGTH]
        if not _inserted(c, wanted, plan):
            if not is_noted(c, operation):
                raise NotPossible(f"somebody else has just sent it once more, as {plan.key}. Check that one first.")
            return
        if c.execute(COUNT_RESEND, {"id": original.job_id}).rowcount != 1:
            raise Miscounted(f"job {original.job_id} has gone, so nothing of the resend is written")
        after: Particulars = {"email": plan.key, "despite_suppression": wanted.despite_list}
        act = Act(ActKind.RESEND, original.job_id, original.email_id, told, 1, after=after, operation=operation)
        note(c, self._who, act)


_ENDED = (EmailState.SENT, EmailState.SUPPRESSED)
"""A suppressed one never left: its address was on the list, perhaps by mistake."""
_INSTEAD = "A failed one is requeued, one in doubt is settled first, and one that is open goes out by itself."


def _key(row: Row[Any]) -> str:
    return row.source_key or str(row.email_id)


def _email(c: Connection, email_id: int) -> Row[Any]:
    row = c.execute(select(eed_email).where(eed_email.c.email_id == email_id)).one_or_none()
    if row is None:
        raise NotPossible(f"there is no email with the number {email_id} in the ledger.")
    return row


def _refuse_suppressed(c: Connection, job_id: int, wire: str, pseudonyms: Pseudonyms) -> None:
    entry = next(iter(_entries(c, job_id, wire, pseudonyms)), None)
    if entry is not None:
        raise NotPossible(
            f"{wire} is on the suppression list ({shown(entry.address)}, {entry.source}: {entry.reason}). "
            "Give another address by --to, or send it all the same with --despite-suppression."
        )


def _refuse_complainer(c: Connection, job_id: int, wire: str, pseudonyms: Pseudonyms) -> None:
    if any(entry.source == suppression_sql.COMPLAINT for entry in _entries(c, job_id, wire, pseudonyms)):
        raise NotPossible(
            f"the recipient at {wire} has complained, and operators.second_person names unsuppress_complaints. "
            "Take the address off the suppression list, which another person has to approve. Then send it again."
        )


def _entries(c: Connection, job_id: int, wire: str, pseudonyms: Pseudonyms) -> Sequence[Row[Any]]:
    """What of the suppression list keeps an address from this job's emails."""
    form = canonical(wire) or wire
    forms = [form, f"@{wire.rpartition('@')[2]}", *pseudonyms.all_of(form)]
    return c.execute(SUPPRESSING, {"id": job_id, "forms": forms}).all()


def _inserted(c: Connection, wanted: Resend, plan: _Plan) -> bool:
    """False if there is an email with this key."""
    values: dict[str, Any] = {
        "source_key": plan.key,
        "job_id": plan.original.job_id,
        "recipient": plan.recipient,
        "address": canonical(plan.recipient),
        "state": EmailState.PENDING,
        "resend_of": plan.original.email_id,
        "redirected": wanted.recipient is not None,
        "despite_list": wanted.despite_list,
    }
    statement = unless_there(insert(eed_email))
    numbered = plan.original.source_key is None  # else the database gives it one
    while True:
        number = {"email_id": _free_number(c)} if numbered else {}
        if c.execute(statement.values(**values, **number)).rowcount == 1:
            return True
        if c.execute(select(eed_email.c.email_id).where(eed_email.c.source_key == plan.key)).first() is not None:
            return False  # else another call's resend has just got this number


def _free_number(c: Connection) -> int:
    among = eed_email.c.email_id.between(RESEND_IDS[0], RESEND_IDS[-1])
    last = c.execute(select(func.max(eed_email.c.email_id)).where(among)).scalar_one()
    return RESEND_IDS[0] if last is None else int(last) + 1
