"""Claims emails for a worker, with all that their sending needs, and says where those go that may not be sent."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row

from eed_delivery.addresses import canonical, went_to
from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.ledger.delivering import statements as sql
from eed_delivery.ledger.delivering.claims import Claim, JobRef, Refusal, Standing, fence
from eed_delivery.ledger.schema import DETAIL_LENGTH, RECIPIENT_LENGTH
from eed_delivery.ledger.suppression.erased import ErasedAddresses
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.model import END_STATES, Email, EmailState, JobState, Ticket
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.pseudonyms import NO_PSEUDONYMS, Pseudonyms, is_pseudonym
from eed_delivery.source import Source

SETTLED_ELSEWHERE = "not sent by us: the source table's status no longer says that it is to be sent"
ON_THE_LIST = (EmailState.SUPPRESSED, "the address is on the suppression list")
ERASED = "its recipient's data was erased, so it is not sent"
GONE = "its row was removed from the source table after the job was registered"


class Claiming:
    """Claims, within a transaction that is given."""

    def __init__(
        self,
        source: Source,
        outbox: Outbox,
        channel: str,
        pseudonyms: Pseudonyms = NO_PSEUDONYMS,
        *,
        sends_emails: bool = True,
    ) -> None:
        """`pseudonyms`: those of erased addresses, which may be on the suppression list. The list counts only where the
        channel sends emails."""
        self._by_list = sends_emails
        self._held = sql.HELD if sends_emails else sql.HELD_FOR_FILES
        self._source = source
        self._outbox = outbox
        self._channel = channel
        self._erased = ErasedAddresses(pseudonyms)

    def claim(self, c: Connection, tickets: Sequence[Ticket], token: int, lease: float) -> Claim:
        """Take these emails under `token` for `lease` seconds, as far as they are free, and load their content."""
        ids = [ticket.email_id for ticket in tickets]
        held_now = BoundStatement(self._held, {"ids": ids, "our_token": token, "of_channel": self._channel}, rows=None)
        found = execute(c, [*_claims(tickets, token, lease), held_now])[-1].rows
        rows = {(row.email_id, row.gen): row for row in found}
        others = [ticket for ticket in tickets if (ticket.email_id, ticket.gen) not in rows]
        on_list: set[int] = set()
        refusals = self._look_closer(c, others, token, rows, on_list) if others else []
        if self._asks_for_pseudonyms(rows):
            on_list |= self._erased.suppressed(c, {row.email_id: row.address for row in rows.values()})
        refusals += self._put_back_erased(c, tickets, token, rows)
        held = [email_of(row, token) for t in tickets if (row := rows.get((t.email_id, t.gen))) is not None]
        loaded = self._source.emails(c, held)
        if len(loaded) < len(held) or any(email.settled_elsewhere for email in loaded):
            over = self._put_back_unwanted(c, held, loaded)
            refusals += [Refusal(t, Standing.OVER) for t in tickets if t.email_id in over]
            loaded = [email for email in loaded if email.email_id not in over]
        elsewhere = [email for email in loaded if _is_elsewhere(email, rows[email.email_id, email.gen])]
        if elsewhere or on_list:
            over = self._look_up_again(c, elsewhere, rows, on_list & {email.email_id for email in loaded})
            refusals += [Refusal(t, Standing.OVER) for t in tickets if t.email_id in over]
            loaded = [email for email in loaded if email.email_id not in over]
        jobs = {row.job_id: JobRef(row.job_id, row.job_key, row.revision) for row in rows.values()}
        return Claim(tuple(loaded), jobs, tuple(refusals))

    def _put_back_erased(
        self, c: Connection, tickets: Sequence[Ticket], token: int, rows: dict[tuple[int, int], Any]
    ) -> list[Refusal]:
        """Emails that were requeued after their recipient's data was erased end here, and leave `rows`."""
        erased = [t for t in tickets if (row := rows.get((t.email_id, t.gen))) and is_pseudonym(row.address)]
        for ticket in erased:
            self.put_back(c, email_of(rows.pop((ticket.email_id, ticket.gen)), token), EmailState.CANCELLED, ERASED)
        return [Refusal(ticket, Standing.OVER) for ticket in erased]

    def _look_closer(
        self,
        c: Connection,
        tickets: Sequence[Ticket],
        token: int,
        held: dict[tuple[int, int], Any],
        on_list: set[int],
    ) -> list[Refusal]:
        """Why these are not among those that a claim continues with. What is ours goes where its job wants it, or is
        `held` after all. It is held if its job was resumed between two questions. It is held, too, if the address that
        the ledger knows is `on_list`, because the source may have another one by now."""
        ids = [ticket.email_id for ticket in tickets]
        (found,) = execute(c, [BoundStatement(sql.STANDING, {"ids": ids}, rows=None)])
        rows = {row.email_id: row for row in found.rows}
        refusals: list[Refusal] = []
        for ticket in tickets:
            row = rows.get(ticket.email_id)
            refusal = _refusal(ticket, row, token)
            exit_state = self.exit_of(row) if row is not None and refusal is None else None
            if exit_state == ON_THE_LIST:
                on_list.add(ticket.email_id)
            elif exit_state is not None:
                self.put_back(c, email_of(row, token), *exit_state)
                refusal = Refusal(ticket, Standing.OVER)
            if refusal is not None:
                refusals.append(refusal)
            else:
                held[ticket.email_id, ticket.gen] = row
        return refusals

    def _look_up_again(
        self, c: Connection, elsewhere: Sequence[Email], held: Mapping[tuple[int, int], Any], on_list: set[int]
    ) -> set[int]:
        """Keep the recipients that the source has now, and look once more whether they may be mailed, and whether those
        `on_list` still may not. The ids of those that end here. The usual claim asks nothing of this."""
        statements: list[BoundStatement] = []
        now = {email.email_id: canonical(email.recipient) for email in elsewhere}
        by_pseudonym = self._by_pseudonym(c, held, now, on_list)
        for email in elsewhere:
            row = held[email.email_id, email.gen]
            address = now[email.email_id]
            if email.email_id in by_pseudonym:
                continue  # what was erased is not written down again
            kept = {"its_recipient": email.recipient[:RECIPIENT_LENGTH], "its_address": address}
            statements.append(BoundStatement(sql.READDRESS, {**fence(email), **kept}, rows=None))
            if address != row.address and row.recipient:
                before = {"id": email.email_id, "so_far": went_to(row.recipient)}
                statements.append(BoundStatement(sql.WENT_BEFORE, before, rows=None))
            if address != row.address and row.address:
                former = {"id": email.email_id, "its_address": row.address}
                statements.append(BoundStatement(sql.FORMER_ADDRESS, former, rows=None))
        ids = sorted({email.email_id for email in elsewhere} | on_list)
        over: set[int] = set()
        statements.append(BoundStatement(sql.STANDING, {"ids": ids}, rows=None))
        for row in execute(c, statements)[-1].rows:
            exit_state = self.exit_of(row) or (ON_THE_LIST if row.email_id in by_pseudonym else None)
            if exit_state is not None:
                self.put_back(c, email_of(row, row.token), *exit_state)
                over.add(row.email_id)
        return over

    def _by_pseudonym(
        self, c: Connection, held: Mapping[tuple[int, int], Any], now: Mapping[int, str | None], on_list: set[int]
    ) -> set[int]:
        """Those that a pseudonym suppresses: by the addresses that the source has `now`, else by the ledger's."""
        if not self._asks_for_pseudonyms(held):
            return set()
        known = {row.email_id: row.address for row in held.values() if row.email_id in on_list}
        return self._erased.suppressed(c, {**known, **now})

    def _asks_for_pseudonyms(self, rows: Mapping[tuple[int, int], Any]) -> bool:
        """Whether the list counts here, and has erased addresses on it."""
        return self._by_list and any(row.has_pseudonyms for row in rows.values())

    def exit_of(self, row: Row[*tuple[Any, ...]]) -> tuple[EmailState, str | None] | None:
        """The state that a claimed email goes to instead of the wire. None if it may be sent."""
        return _of_its_job(row, self._channel) or (ON_THE_LIST if self._by_list and row.suppressed else None)

    def _put_back_unwanted(self, c: Connection, held: Sequence[Email], loaded: Sequence[Email]) -> set[int]:
        """Emails whose source's row has gone, or is no longer to be sent, end here. Returns their ids."""
        settled = {email.email_id for email in loaded if email.settled_elsewhere}
        missing = {email.email_id for email in held} - {email.email_id for email in loaded}
        for email in held:
            if email.email_id in settled:
                self.put_back(c, email, EmailState.CANCELLED, SETTLED_ELSEWHERE)
            if email.email_id in missing:
                self.put_back(c, email, EmailState.FAILED, GONE)
                self._outbox.put(c, [Notice(NoticeKind.EMAIL_FAILED, email.job_id, email.email_id, email.gen)])
        return settled | missing

    def rehearse(self, c: Connection) -> None:
        """Run a claim's queries for no email."""
        if self._by_list:
            self._erased.check(c)
        c.execute(sql.STANDING, {"ids": [0]}).all()
        c.execute(self._held, {"ids": [0], "our_token": 1, "of_channel": self._channel}).all()
        c.execute(sql.CLAIM, {"ids": [0], "of_gen": -1, "new_token": 1, "lease": 0})
        self._source.emails(c, [Email(0, 0, "0", 0, 0, 0, "")])

    def put_back(self, c: Connection, email: Email, state: EmailState, reason: str | None) -> bool:
        """An email of ours that has not seen the wire goes where `state` says. False when it is no longer ours."""
        values = {**fence(email), "to_state": state, "reply": reason[:DETAIL_LENGTH] if reason else None}
        changed = c.execute(sql.PUT_BACK, values).rowcount == 1
        if changed and state in END_STATES and email.resend_of is None:
            self._source.write_email(c, email.key, state, reason or "", email.attempts, None)
        return changed


def _claims(tickets: Sequence[Ticket], token: int, lease: float) -> Iterator[BoundStatement]:
    """A claim for each generation that is among the tickets, nearly always one."""
    for gen, group in groupby(sorted(tickets, key=lambda t: (t.gen, t.email_id)), key=lambda t: t.gen):
        ids = [ticket.email_id for ticket in group]
        values = {"ids": ids, "of_gen": gen, "new_token": token, "lease": lease}
        yield BoundStatement(sql.CLAIM, values, rows=None)


def _refusal(ticket: Ticket, row: Row[*tuple[Any, ...]] | None, token: int) -> Refusal | None:
    if row is None or ticket.gen > row.gen:
        return Refusal(ticket, Standing.UNKNOWN)
    if ticket.gen < row.gen or row.state in END_STATES:
        return Refusal(ticket, Standing.OVER)
    if row.state != EmailState.SENDING:
        return Refusal(ticket, Standing.LATER, max(1.0, float(row.wait_left or 0)))
    if row.token == token:
        return None
    return Refusal(ticket, Standing.LATER, max(1.0, float(row.lease_left or 0) + 1))


def _is_elsewhere(email: Email, row: Any) -> bool:
    """Whether the source's recipient is not the one that the ledger knows, and has looked up on the list."""
    same = email.recipient[:RECIPIENT_LENGTH] == row.recipient and canonical(email.recipient) == row.address
    return not same


def _of_its_job(row: Row[*tuple[Any, ...]], channel: str) -> tuple[EmailState, str | None] | None:
    """Where an email's job has it go, claimed by a worker of `channel`. None if it may be sent."""
    if row.job_state in (JobState.PAUSED, JobState.HELD, JobState.FINISHED):
        return EmailState.PENDING, None  # `resume`, `requeue` or its channel publishes it again
    if row.job_state == JobState.FAILED:
        return EmailState.FAILED, row.job_reason
    if row.job_state != JobState.ACTIVE:
        return EmailState.CANCELLED, row.job_reason
    if row.expired:
        return EmailState.CANCELLED, "its job had expired before it could be sent"
    if row.channel != channel or row.is_held:
        return EmailState.PENDING, None  # its job's publisher publishes it again, once nothing holds it and it is open
    return None


def email_of(row: Any, token: int) -> Email:
    """The email of a row of HELD or STANDING, claimed under `token`. Its content is not loaded yet."""
    return Email(
        email_id=row.email_id,
        job_id=row.job_id,
        key=row.source_key or str(row.email_id),
        gen=row.gen,
        token=token,
        attempts=row.attempts,
        recipient=row.recipient,
        resend_of=row.resend_of,
        redirected=bool(row.redirected),
        refused_before=bool(row.refused_before),
        job_key=row.job_key,
    )
