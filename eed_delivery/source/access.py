"""Everything the service reads from the source's tables, and the status it writes back.

Every method works inside the caller's transaction and never opens one of its own.
"""

from collections.abc import Iterable
from functools import cache, cached_property
from typing import Any

from sqlalchemy import BindParameter, Connection, Update, bindparam, update

from eed_delivery.database.sql_function import picked
from eed_delivery.model import EmailState
from eed_delivery.source.clock import source_ago, source_now
from eed_delivery.source.contents import SourceContents
from eed_delivery.source.tables import Key, native
from eed_delivery.source.values import existing

NEVER_OVER_OTHERS = frozenset({EmailState.CANCELLED, EmailState.FAILED})
"""The states in which a job's leftovers end."""

WRITE_CHUNK = 500
"""Limit: keys in one UPDATE."""


class Source(SourceContents):
    """The mapped tables of the delivery server. Safe for many threads.

    Keys may be given as int or str, as the ledger keeps them. They are returned as the source has them.
    """

    def write_email(
        self, c: Connection, key: Key, state: EmailState, detail: str, attempts: int, message_id: str | None
    ) -> None:
        """Write an email's status back, and `sent_at` too, by the source's clock, when it is sent.

        States on the way are written as "pending". A row that has gone is no error, because the ledger knows the email.
        """
        c.execute(*self.email_update(c, key, state, detail, attempts, message_id))

    def email_update(
        self, c: Connection, key: Key, state: EmailState, detail: str, attempts: int, message_id: str | None
    ) -> tuple[Update, dict[str, Any]]:
        """The statement of `write_email` and its values, for those who send it together with others.

        What differs between emails stands in lists, so that the statements of several can be merged.
        """
        e, t = self._settings.email, self._tables
        values: dict[str, Any] = {"keys": [native(key, t.email_key_type)]}
        if e.status_detail:
            values["details"] = [self._fit(c, e.status_detail, detail)]
        if e.attempts:
            values["its_attempts"] = attempts
        if message_id is not None and e.message_id:
            values["message_ids"] = [self._fit(c, e.message_id, message_id)]
        return self._email_update(state, "message_ids" in values), values

    @cache  # noqa: B019 - one source a process, and a few states
    def _email_update(self, state: EmailState, with_message_id: bool) -> Update:
        """Built once for each state, because this is written for every single email."""
        e, t = self._settings.email, self._tables
        keys: BindParameter[Any] = bindparam("keys", expanding=True)
        values: dict[str, Any] = {
            e.status: self._word(state),
            e.status_detail: picked(t.email_id, keys, bindparam("details", expanding=True)),
            e.attempts: bindparam("its_attempts"),
        }
        if state is EmailState.SENT:
            values[e.sent_at] = source_now()
        if with_message_id:
            values[e.message_id] = picked(t.email_id, keys, bindparam("message_ids", expanding=True))
        statement = update(t.emails).where(t.email_id.in_(keys)).values(existing(values))
        # never over what another server has sent meanwhile
        return statement.where(t.is_pending()) if state is EmailState.CANCELLED else statement

    def write_sent_late(
        self, c: Connection, key: Key, detail: str, attempts: int, message_id: str | None, seconds_ago: float
    ) -> bool:
        """Write that an email was sent some seconds ago, where the source still says that it is not sent yet.

        Returns whether it said so.
        """
        statement, values = self.email_update(c, key, EmailState.SENT, detail, attempts, message_id)
        statement = statement.where(self._tables.is_pending())
        if self._settings.email.sent_at:
            statement = statement.values({self._settings.email.sent_at: source_ago(bindparam("seconds_ago"))})
            values["seconds_ago"] = int(seconds_ago)
        return c.execute(statement, values).rowcount == 1

    def outcome_update(self, c: Connection, key: Key, outcome: str) -> tuple[Update, dict[str, Any]] | None:
        """The statement that writes what became of an email after it was accepted, and its values. None where no column
        is mapped for it."""
        column = self._settings.email.outcome
        if not column:
            return None
        values = {"its_key": native(key, self._tables.email_key_type), "its_outcome": self._fit(c, column, outcome)}
        return self._outcome_update, values

    @cached_property
    def _outcome_update(self) -> Update:
        """Built once, like the others, because it is written for every email that is tracked."""
        t = self._tables
        statement = update(t.emails).where(t.email_id == bindparam("its_key"))
        return statement.values({self._settings.email.outcome: bindparam("its_outcome")})

    def write_emails(self, c: Connection, keys: Iterable[Key], state: EmailState, detail: str) -> None:
        """Write the same status to many emails. Their attempts and message ids stay unchanged.

        Emails that end with their job are written only where the source still says that they are to be sent. What
        another server has sent meanwhile stays unchanged.
        """
        t = self._tables
        values = existing(self._status(c, state, detail))
        all_keys = [native(key, t.email_key_type) for key in keys]
        for start in range(0, len(all_keys), WRITE_CHUNK):
            chunk = all_keys[start : start + WRITE_CHUNK]
            statement = update(t.emails).where(t.email_id.in_(chunk))
            c.execute((statement.where(t.is_pending()) if state in NEVER_OVER_OTHERS else statement).values(values))

    def _status(self, c: Connection, state: EmailState, detail: str) -> dict[str, Any]:
        e = self._settings.email
        # "" rather than NULL: a legacy column may forbid NULL.
        values: dict[str, Any] = {e.status: self._word(state), e.status_detail: self._fit(c, e.status_detail, detail)}
        if state is EmailState.SENT:
            values[e.sent_at] = source_now()
        if state is EmailState.PENDING:  # a requeue: the next try has no outcome yet
            values[e.outcome] = ""
        return values

    def _word(self, state: EmailState) -> int | str | None:
        words = self._settings.email.statuses
        ended: dict[EmailState, int | str] = {
            EmailState.SENT: words.sent,
            EmailState.FAILED: words.failed,
            EmailState.IN_DOUBT: words.in_doubt,
            EmailState.SUPPRESSED: words.suppressed,
            EmailState.CANCELLED: words.cancelled,
        }
        return ended.get(state, words.pending[0] if words.pending else None)
