"""Tracking's side of the ledger. Events come in, and say what became of emails that have left.

The same event may come any number of times, and events in any order. The outcome of an email is a function of the set
of its generation's events (`events.weight`), whichever comes first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row, insert, select
from sqlalchemy.exc import DBAPIError

from eed_delivery.config import TrackingSettings
from eed_delivery.database.clock import utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.database.transactions import Database
from eed_delivery.errors import DatabaseGone
from eed_delivery.events import EventKind, TrackingEvent, decisive, in_utc, weight
from eed_delivery.ledger.addresses import of_generations
from eed_delivery.ledger.delivering.recording import as_stored
from eed_delivery.ledger.keys import email_key
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_attempt, eed_email, eed_event
from eed_delivery.ledger.suppression.thresholds import Suppressor, counts
from eed_delivery.ledger.tracking import statements as sql
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox
from eed_delivery.metrics import observing
from eed_delivery.model import EmailState, Verdict
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.source import Source

log = structlog.get_logger(__name__)

RACES = 20
"""Limit: times that another process may have stored one of a batch's events in between, before it is an outage."""
FIRST_LOOK = 1_000_000
"""Limit: newest attempts that are searched for doubts when a process starts."""
LOOK_BACK = 50_000
"""Attempts that are read again, because a number is drawn before its row is committed, and an event may be, too."""

_EmailRow = Row[*tuple[Any, ...]]


def _observe(events: Iterable[TrackingEvent]) -> None:
    """Each event that was received, also one that was here before."""
    now = datetime.now(UTC).replace(tzinfo=None)
    for event in events:
        observing.count("eed_events_total", event.kind)
        observing.observe("eed_event_lag_seconds", max(0.0, (now - in_utc(event.occurred_at)).total_seconds()))


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch.

    `unknown` are events about emails that the ledger does not know yet. Nothing is kept of them, and they are to be
    brought again. The others are counts of new events that are stored, and of these those without an email
    (`unmatched`). They also count emails in doubt that were settled, and addresses newly suppressed."""

    unknown: tuple[TrackingEvent, ...] = ()
    stored: int = 0
    unmatched: int = 0
    settled: int = 0
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class _Match:
    """An event with the email it is about. `gen` is the event's own, which may be older than the row's.

    `address` is where that generation went, in canonical form.
    """

    event: TrackingEvent
    gen: int
    row: _EmailRow
    address: str | None


class TrackingLedger:
    """What tracking may do to the ledger. Safe for many threads. Each call is one transaction, or a few that may be
    repeated. Each raises `DatabaseGone`."""

    def __init__(self, database: Database, source: Source, settings: TrackingSettings, outbox: Outbox = SILENT) -> None:
        """`outbox` receives the events' notices."""
        self._database = database
        self._source = source
        self._outbox = outbox
        self._unmatched_after = timedelta(seconds=settings.unmatched_after_seconds)
        self._suppressor = Suppressor(settings)
        self._insert = unless_there(insert(eed_event))

    def take(self, events: Sequence[TrackingEvent]) -> Taken:
        """Store a batch in one transaction, with everything that follows from it. An event that was here before
        changes nothing."""
        for _ in range(RACES):
            taken = self._database.run(lambda c: self._take(c, events))
            if taken is not None:
                _observe(events)
                return taken
        raise DatabaseGone("other processes take the same events all the time")

    def ping(self) -> None:
        """Whether the database answers. Raises `DatabaseGone`."""
        self._database.ping()

    def _take(self, c: Connection, events: Sequence[TrackingEvent]) -> Taken | None:
        """None if another process has taken one of these in between. Nothing was changed then."""
        each = {event.event_id: event for event in events}
        now, known, rows_of = self._look(c, each.values()) if each else (None, set(), {})
        fresh = [event for event_id, event in each.items() if event_id not in known]
        if now is None or not fresh:
            return Taken()
        matches, strangers = self._match(c, fresh, rows_of)
        unmatched = [e for e in strangers if in_utc(e.occurred_at) < now - self._unmatched_after]
        rows = [_row(m.event, now, m) for m in matches] + [_row(event, now) for event in unmatched]
        rows.sort(key=lambda row: str(row["event_id"]))  # one order for all processes' row locks
        if rows and c.execute(self._insert, rows).rowcount != len(rows):
            c.rollback()
            return None
        settled = self._apply(c, matches)
        self._outbox.put(c, (notice for m in matches if (notice := _notice(m)) is not None))
        return Taken(
            unknown=tuple(event for event in strangers if event not in unmatched),
            stored=len(rows),
            unmatched=len(unmatched),
            settled=settled,
            suppressed=self._suppressor.enter(c, [(m.event, m.address) for m in matches]),
        )

    def _look(
        self, c: Connection, events: Collection[TrackingEvent]
    ) -> tuple[datetime, set[str], dict[int, _EmailRow]]:
        """The database's time, which events are in the ledger, and the emails that events name, in one round trip."""
        tagged = sorted({tag[0] for event in events if (tag := _tag(event)) is not None})
        event_ids = [event.event_id for event in events]
        statements = [
            BoundStatement(sql.NOW, {}, rows=None),
            BoundStatement(sql.ALREADY_TAKEN, {"ids": event_ids}, rows=None),
        ]
        if tagged:
            statements.append(BoundStatement(sql.EMAILS, {"ids": tagged}, rows=None))
        (now,), known, *found = [result.rows for result in execute(c, statements)]
        return now.now, {row.event_id for row in known}, {row.email_id: row for rows in found for row in rows}

    def _match(
        self, c: Connection, events: Sequence[TrackingEvent], tagged: Mapping[int, _EmailRow]
    ) -> tuple[list[_Match], list[TrackingEvent]]:
        """Events with their emails, and those that have none, or one of a generation that has not been yet. `tagged`
        are the emails that events name by themselves."""
        by_message = self._by_message_id(c, events)
        matches, strangers = [], []
        named = {event.event_id: _tag(event) or by_message.get(as_stored(event.message_id)) for event in events}
        rows = {**tagged, **self._rows(c, {email_id for email_id, _ in by_message.values()})}
        for event in events:
            place = named[event.event_id]
            row = rows.get(place[0]) if place else None
            if place is None or row is None or place[1] > row.gen:
                strangers.append(event)
            else:
                matches.append(_Match(event, place[1], row, row.address))
        return self._with_addresses(c, matches), strangers

    def _with_addresses(self, c: Connection, matches: Sequence[_Match]) -> list[_Match]:
        """The same, where it counts with the address of an earlier generation. It may have been corrected after that,
        and the new address has neither bounced nor complained."""
        earlier = {(m.row.email_id, m.gen) for m in matches if m.gen < m.row.gen and counts(m.event)}
        went_to = of_generations(c, earlier)
        return [replace(m, address=went_to.get((m.row.email_id, m.gen), m.address)) for m in matches]

    def _by_message_id(self, c: Connection, events: Sequence[TrackingEvent]) -> dict[str | None, tuple[int, int]]:
        """(email, gen) of each provider's id among events that carry no tag of ours. From the attempts, because the
        email's own row forgets the id of an earlier generation."""
        ids = {message_id for e in events if _tag(e) is None and (message_id := as_stored(e.message_id)) is not None}
        found = c.execute(sql.BY_MESSAGE_ID, {"ids": sorted(ids)}) if ids else ()
        return {row.message_id: (row.email_id, row.gen) for row in found}

    def _rows(self, c: Connection, email_ids: Iterable[int]) -> dict[int, _EmailRow]:
        ids = sorted(email_ids)
        return {row.email_id: row for row in c.execute(sql.EMAILS, {"ids": ids})} if ids else {}

    def _apply(self, c: Connection, matches: Sequence[_Match]) -> int:
        """Write what a batch says of each email, in the order of their keys. Returns how many doubts it settled."""
        told: dict[int, list[_Match]] = {}
        for match in matches:
            if match.gen == match.row.gen:
                told.setdefault(match.row.email_id, []).append(match)
        rows = {email_id: told[email_id][0].row for email_id in sorted(told)}
        events = {email_id: [match.event for match in told[email_id]] for email_id in rows}
        self._write_outcomes(
            c, [(row, event) for email_id, row in rows.items() if (event := decisive(events[email_id]))]
        )
        in_doubt = [row for row in rows.values() if row.state == EmailState.IN_DOUBT]
        return sum(self._settle(c, row.email_id, row.gen, _kinds(events[row.email_id])) for row in in_doubt)

    def _write_outcomes(self, c: Connection, told: Sequence[tuple[_EmailRow, TrackingEvent]]) -> None:
        """All of a batch in one round trip, and the source's in another. They are most of what a batch costs."""
        if not told:
            return
        results = execute(c, [BoundStatement(sql.OUTCOME, _outcome(row, event), rows=None) for row, event in told])
        written = [pair for pair, result in zip(told, results, strict=True) if result.matched]
        originals = [(row, event) for row, event in written if row.resend_of is None]
        keys = ((row.source_key or str(row.email_id), str(event.outcome)) for row, event in originals)
        updates = [update for key, word in keys if (update := self._source.outcome_update(c, key, word))]
        if updates:
            execute(c, [BoundStatement(*update, rows=None) for update in updates])

    def email_key(self, email_id: int) -> str | None:
        """The source's key of an email. None where the ledger does not have it."""
        return self._database.run(lambda c: email_key(c, email_id))

    def settle_late_doubts(self, beyond: int | None) -> tuple[int, int]:
        """Settle emails whose event had come before the doubt did. A worker dies, SES's event is taken while its lease
        still runs, and the sweeper calls it in doubt only then.

        `beyond` is what the call before has returned, None at the start. Returns how many were settled, and up to
        which attempt it has looked.
        """
        last = self._database.run(lambda c: int(c.execute(sql.LAST_ATTEMPT).scalar_one()))
        start = last - FIRST_LOOK if beyond is None else beyond - LOOK_BACK
        settled = 0
        for (email_id, gen), kinds in self._database.run(lambda c: self._late(c, start)).items():
            try:  # each for itself: one row that the source refuses must not leave the others unsettled
                settled += self._database.did(partial(self._settle, email_id=email_id, gen=gen, kinds=kinds))
            except DBAPIError:
                log.exception("cannot_be_settled", email=self.email_key(email_id), email_id=email_id)
        return settled, last

    def _late(self, c: Connection, beyond: int) -> dict[tuple[int, int], dict[str, str | None]]:
        told: dict[tuple[int, int], dict[str, str | None]] = {}
        for row in c.execute(sql.DOUBTS_WITH_EVENTS, {"beyond": beyond}):
            told.setdefault((row.email_id, row.gen), {})[row.kind] = row.message_id
        return told

    def _settle(self, c: Connection, email_id: int, gen: int, kinds: Mapping[str, str | None]) -> bool:
        """Let events end a doubt. `kinds` are theirs, with the provider's ids. A refusal goes before acceptance."""
        refusals = sorted(kinds.keys() & sql.PROOFS_OF_REFUSAL)
        proofs = refusals or sorted(kinds.keys() & sql.PROOFS_OF_ACCEPTANCE)
        if not proofs:
            return False
        state = EmailState.FAILED if refusals else EmailState.SENT
        reason = f"settled by the provider's event: {', '.join(proofs)}"
        message_id = next((kinds[kind] for kind in proofs if kinds[kind]), None)
        values = {
            "id": email_id,
            "of_gen": gen,
            "to_state": state,
            "reason": reason,
            "provider_id": as_stored(message_id),
        }
        if c.execute(sql.SETTLE, values).rowcount != 1:
            return False
        self._tell(c, email_id, state, reason)
        return True

    def _tell(self, c: Connection, email_id: int, state: EmailState, reason: str) -> None:
        """The attempt on record, and the source's row, of a doubt that is settled."""
        row = c.execute(select(eed_email).where(eed_email.c.email_id == email_id)).one()
        c.execute(
            insert(eed_attempt).values(
                email_id=email_id,
                gen=row.gen,
                attempt=row.attempts,
                verdict=Verdict.SENT if state is EmailState.SENT else Verdict.PERMANENT,
                counted=False,
                reply=reason,
                message_id=row.message_id,
                worker="events",
                ended_at=utc_now(),
            )
        )
        key = row.source_key or str(email_id)
        if row.resend_of is None:
            self._source.write_email(c, key, state, reason, row.attempts, row.message_id)
        if state is EmailState.FAILED:
            self._outbox.put(c, [Notice(NoticeKind.EMAIL_FAILED, row.job_id, email_id, row.gen)])


def _outcome(row: _EmailRow, event: TrackingEvent) -> dict[str, object]:
    """The values of `OUTCOME`."""
    return {
        "id": row.email_id,
        "of_gen": row.gen,
        "its_class": weight(event)[0],
        "at": in_utc(event.occurred_at),
        "to_outcome": str(event.outcome),
    }


def _kinds(events: Sequence[TrackingEvent]) -> dict[str, str | None]:
    return {str(event.kind): event.message_id for event in events}


def _tag(event: TrackingEvent) -> tuple[int, int] | None:
    """Which email and generation the event itself names. One without the other names nothing."""
    return None if event.email_id is None or event.gen is None else (event.email_id, event.gen)


def _row(event: TrackingEvent, now: datetime, match: _Match | None = None) -> dict[str, object]:
    if match is None:
        return event_row(event, now)
    return event_row(event, now, match.row.email_id, match.gen, match.address)


def event_row(
    event: TrackingEvent,
    now: datetime,
    email_id: int | None = None,
    gen: int | None = None,
    address: str | None = None,
) -> dict[str, object]:
    """A row of `eed_event`, received `now`. `address` is the canonical one that its email went to. It is kept only
    where it counts towards suppression."""
    return {
        "event_id": event.event_id,
        "email_id": email_id,
        "gen": gen,
        "kind": event.kind,
        "outcome": event.outcome,
        "sub_type": event.sub_type[:100],
        "code": event.code,
        "enhanced": event.enhanced[:64] if event.enhanced else None,
        "detail": event.detail[:DETAIL_LENGTH],
        "message_id": as_stored(event.message_id),
        "automatic": event.automatic,
        "address": address if counts(event) else None,
        "occurred_at": in_utc(event.occurred_at),
        "received_at": now,
    }


_TOLD = {
    EventKind.DELIVERY: NoticeKind.EMAIL_DELIVERED,
    EventKind.BOUNCE: NoticeKind.EMAIL_BOUNCED,
    EventKind.COMPLAINT: NoticeKind.EMAIL_COMPLAINED,
    EventKind.OPEN: NoticeKind.EMAIL_OPENED,
    EventKind.CLICK: NoticeKind.EMAIL_CLICKED,
}


def _notice(match: _Match) -> Notice | None:
    """The notice of an event. There is none of an out-of-office note, which is no bounce. There is none of a report
    that takes a complaint back or says that SPF failed, which is no complaint."""
    event = match.event
    kind = _TOLD.get(event.kind)
    looked = kind in (NoticeKind.EMAIL_OPENED, NoticeKind.EMAIL_CLICKED)
    if kind is None or (event.automatic and not looked):
        return None
    if kind is NoticeKind.EMAIL_COMPLAINED and event.outcome is None:
        return None
    facts: dict[str, object] = {
        "outcome": event.outcome,
        "sub_type": event.sub_type or None,
        "code": event.code,
        "enhanced": event.enhanced,
        "automatic": event.automatic if looked else None,
    }
    return Notice(
        kind,
        email_id=match.row.email_id,
        gen=match.gen,
        event_id=event.event_id,
        occurred_at=in_utc(event.occurred_at),
        facts={name: value for name, value in facts.items() if value is not None},
    )
