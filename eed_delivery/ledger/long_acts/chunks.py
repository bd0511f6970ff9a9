"""The chunks of each kind of long act that changes emails or entries."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, note
from eed_delivery.ledger.long_acts.long_act import ADDRESSES, EVIDENCE, NO_COMPLAINTS, LongAct, LongActChunk
from eed_delivery.ledger.long_acts.selections import RETRY_NOW, emails_of, entries_of, moment, waiting_of
from eed_delivery.ledger.operating import OperatingLedger
from eed_delivery.ledger.schema import eed_email
from eed_delivery.ledger.suppression.listing import SuppressionEntry, SuppressionFilter, SuppressionList, as_listed
from eed_delivery.ledger.suppression.statements import ASKED_FOR, COMPLAINT
from eed_delivery.model import EmailState

Json = Mapping[str, Any]


class RequeueWork:
    """Gives failed emails, or those in doubt, a new generation."""

    def __init__(self, operating: OperatingLedger) -> None:
        self._operating = operating

    def count(self, selection: Json, since: datetime | None) -> int:
        """How many match."""
        return self._operating.count(emails_of(selection, since))

    def next_chunk(self, act: LongAct, size: int) -> LongActChunk | None:
        """The next emails by their ids."""
        selection = emails_of(act.selection)
        rows = self._operating.next_rows(selection, int(act.after or 0), size)

        def work(c: Connection) -> int:
            return sum(self._operating.requeue_rows(selection, rows, act.id, c, act.reason).values())

        return LongActChunk(str(rows[-1].email_id), len(rows), work) if rows else None


class SettleWork:
    """Settles emails in doubt. `file_channels` names the channels that put files."""

    def __init__(self, operating: OperatingLedger, file_channels: Callable[[], Collection[str]]) -> None:
        self._operating = operating
        self._file_channels = file_channels

    def count(self, selection: Json, since: datetime | None) -> int:
        """How many match."""
        return self._operating.count(emails_of(selection, since))

    def next_chunk(self, act: LongAct, size: int) -> LongActChunk | None:
        """The next emails by their ids. Raises `NotPossible` for one as sent whose channel puts files."""
        rows = self._operating.next_rows(emails_of(act.selection), int(act.after or 0), size)
        if not rows:
            return None
        ids, state = [row.email_id for row in rows], EmailState(act.parameters["as"])
        if state is EmailState.SENT:
            self._operating.refuse_files(ids, self._file_channels())
        words = f"settled as {state} by an operator: {act.reason}"
        doubts = [(row.email_id, row.gen) for row in rows]
        return LongActChunk(
            str(ids[-1]), len(ids), lambda c: len(self._operating.settle_rows(doubts, state, words, act.id, c))
        )


class RetryNowWork:
    """Sends now what waits for its retry."""

    def __init__(self, database: Database, who: Actor) -> None:
        self._database = database
        self._who = who

    def count(self, selection: Json, since: datetime | None) -> int:
        """How many match."""
        counted = select(func.count()).select_from(waiting_of(selection, since).subquery())
        return self._database.run(lambda c: c.execute(counted).scalar_one())

    def next_chunk(self, act: LongAct, size: int) -> LongActChunk | None:
        """The next emails by their ids."""
        chosen = waiting_of(act.selection).where(eed_email.c.email_id > int(act.after or 0))
        rows = self._database.run(lambda c: c.execute(chosen.order_by(eed_email.c.email_id).limit(size)).all())

        def work(c: Connection) -> int:
            moved = Counter[int]()
            for row in rows:
                moved[row.job_id] += c.execute(RETRY_NOW, {"id": row.email_id, "of_gen": row.gen}).rowcount
            for job_id, count in moved.items():
                if count:
                    note(c, self._who, Act(ActKind.RETRY_NOW, job_id, None, act.reason, count, operation=act.id))
            return moved.total()

        return LongActChunk(str(rows[-1].email_id), len(rows), work) if rows else None


class UnsuppressWork:
    """Takes entries off the suppression list."""

    def __init__(self, entries: SuppressionList) -> None:
        self._entries = entries

    def count(self, selection: Json, since: datetime | None) -> int:
        """How many entries match."""
        if ADDRESSES not in selection:
            return self._entries.count(entries_of(selection), since)
        found = _of_addresses(self._entries, selection[ADDRESSES], selection)
        return sum(since is None or (one.created_at is not None and one.created_at > since) for one in found)

    def next_chunk(self, act: LongAct, size: int) -> LongActChunk | None:
        """The next entries by their addresses. Those of one address are never in two chunks."""
        chosen, after = self._chosen(act.selection, act.after, size)
        if after is None:
            return None
        until = moment(act.selection, "until")
        old = [one for one in chosen if until is None or one.created_at is None or one.created_at <= until]
        evidence = act.parameters.get(EVIDENCE)
        if act.selection.get(NO_COMPLAINTS):  # the removal of one that came since is not approved
            old = [one for one in old if one.source != COMPLAINT]
        if evidence is None:
            old = [one for one in old if one.source not in ASKED_FOR]

        def work(c: Connection) -> int:
            return self._entries.remove_entries(c, old, act.reason, act.id, evidence)

        return LongActChunk(after, len(chosen), work)

    def _chosen(self, selection: Json, after: str, size: int) -> tuple[Sequence[SuppressionEntry], str | None]:
        """Some entries, and the cursor behind them. None at the end."""
        if ADDRESSES not in selection:
            found = _whole_addresses(self._entries.entries(entries_of(selection), after), size)
            return found, found[-1].address if found else None
        listed = sorted({one for one in map(as_listed, selection[ADDRESSES]) if one > after})[:size]
        return list(_of_addresses(self._entries, listed, selection)), listed[-1] if listed else None


def _of_addresses(entries: SuppressionList, addresses: Iterable[str], selection: Json) -> Iterator[SuppressionEntry]:
    category = selection.get("category")
    for address in addresses:
        yield from entries.entries(SuppressionFilter(address, None, category, selection.get("source")))


def _whole_addresses(entries: Iterator[SuppressionEntry], size: int) -> list[SuppressionEntry]:
    """At least `size` of them, up to the end of an address."""
    found: list[SuppressionEntry] = []
    for _, of_one in groupby(entries, key=lambda entry: entry.address):
        found += of_one
        if len(found) >= size:
            break
    return found
