"""Everything the service reads from the source's tables, and the status it writes back.

Every method works inside the caller's transaction and never opens one of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from itertools import chain
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    Select,
    Subquery,
    Update,
    bindparam,
    case,
    exists,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.config import SourceSettings
from eed_delivery.config.source_mapping import KnownRows
from eed_delivery.database.clock import utc_now
from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.errors import RenderError
from eed_delivery.model import (
    DEFAULT_CHANNEL,
    AttachmentRef,
    Email,
    EmailState,
    Job,
    JobState,
    ReadyJob,
    SourceRow,
    WaitingJob,
)
from eed_delivery.source.clock import has_come, seconds_left, source_ago, source_now
from eed_delivery.source.column_kinds import as_offered
from eed_delivery.source.files import AttachmentFiles, by_owner, files_of_emails, job_files, spelt_otherwise
from eed_delivery.source.keys import as_stored_key, same_bytes
from eed_delivery.source.live import Kind, LiveColumn, read_table
from eed_delivery.source.tables import Key, MappedTables, native

NEVER_SECONDS = 100 * 365 * 86_400
"""An `expires_at` further away than this (often 9999-12-31) means that the job never expires."""

NEVER_OVER_OTHERS = frozenset({EmailState.CANCELLED, EmailState.FAILED})
"""The states in which a job's leftovers end."""

YES = frozenset({"1", "true", "t", "yes", "y", "on", "\x01"})
"""The last is how a BIT column says it."""

CATEGORY_LENGTH = 191
"""Characters of a category that the ledger keeps."""

CHANNEL_LENGTH = 32
"""Characters of a channel's name."""

WRITE_CHUNK = 500
"""Limit: keys in one UPDATE."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger has of a job. It is its tables of emails (`email_id`, `source_key`, `job_id`) and of refusals
    (`source_key`, `job_id`), and which job."""

    emails: FromClause
    refusals: FromClause
    job_id: int


class Source:
    """The mapped tables of the delivery server. Safe for many threads.

    Keys may be given as int or str, as the ledger keeps them. They are returned as the source has them.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._tables = MappedTables(settings)
        self._limits: Mapping[str, LiveColumn] | None = None
        self._of_emails: list[Select[Any]] | None = None

    @property
    def known_rows(self) -> KnownRows:
        """What becomes of a row that the ledger knows, when the source says once more that it is not sent yet."""
        return self._settings.job.known_rows

    @property
    def single(self) -> bool:
        """Whether each row is a job of one email."""
        return self._tables.single

    def is_job_key(self, key: str) -> bool:
        """Whether this can be a job's key at all."""
        return self._tables.is_job_key(key)

    def ready_jobs(self, c: Connection, known: FromClause, limit: int, key: str | None = None) -> list[ReadyJob]:
        """Jobs that are ready by their status, whose `scheduled_for` has come and that `known` doesn't have yet, or has
        finished. Those that have finished are ready `again`.

        `known` is the ledger's table of jobs, with `finished_at`, `job_id` (compared with integer keys) and
        `source_key` (with string keys). In the order of their keys. Jobs that have expired are among them. `key` leaves
        only the job with this key, as in `waiting_jobs`. It is looked up by the primary key, without an index on the
        status.
        """
        t, job = self._tables, self._settings.job
        if key is not None and not t.is_job_key(key):
            return []
        recipient = t.email(self._settings.email.recipient) if t.single else null()
        statement = (
            select(
                t.job_id.label("key"),
                t.job(job.name).label("name"),
                t.job(job.category).label("category"),
                t.job(job.channel).label("channel"),
                t.job(job.send_window).label("send_window"),
                self._expiry(job.expires_at).label("left"),
                self._expiry(job.deadline).label("due_in"),
                recipient.label("recipient"),
                known.c.finished_at.is_not(None).label("again"),
            )
            .select_from(t.jobs.outerjoin(known, self._is(known)))
            .where(t.job_status == job.statuses.ready)
            .where(or_(known.c.job_id.is_(None), known.c.finished_at.is_not(None)))
            .order_by(t.job_id)
            .limit(limit)
        )
        if job.scheduled_for:
            scheduled = t.job(job.scheduled_for)
            statement = statement.where(or_(scheduled.is_(None), has_come(scheduled)))
        if key is not None:
            statement = statement.where(*self._is_key(key))
        return [
            ReadyJob(
                native(row.key, t.job_key_type),
                _text(row.name) or "",
                _until(row.left),
                (_text(row.recipient) or "") if t.single else None,
                _category(job.category_value, _text(row.category)),
                bool(row.again),
                channel_of(job.channel_value, _text(row.channel)),
                (_text(row.send_window) or "").strip() or None,
                _until(row.due_in),
            )
            for row in c.execute(statement)
        ]

    def waiting_jobs(
        self, c: Connection, limit: int, *, unknown_to: FromClause | None = None, key: str | None = None
    ) -> list[WaitingJob]:
        """Jobs that are ready by their status and whose `scheduled_for` has not come, those that start first in front.

        `unknown_to` leaves only those that this table of the ledger's jobs does not have, as in `ready_jobs`. `key`
        leaves only the job with this key, letter for letter, and none where it is not a key of the source's kind.
        """
        t, job = self._tables, self._settings.job
        if not job.scheduled_for or (key is not None and not t.is_job_key(key)):
            return []
        scheduled = t.job(job.scheduled_for)
        statement = (
            select(
                t.job_id.label("key"),
                t.job(job.name).label("name"),
                t.job(job.category).label("category"),
                t.job(job.channel).label("channel"),
                t.job(job.send_window).label("send_window"),
                self._expiry(job.expires_at).label("left"),
                self._expiry(job.deadline).label("due_in"),
                seconds_left(scheduled).label("starts_in"),
                utc_now().label("now"),
            )
            .where(t.job_status == job.statuses.ready, scheduled.is_not(None), ~has_come(scheduled))
            .order_by(scheduled, t.job_id)
            .limit(limit)
        )
        if unknown_to is not None:
            statement = statement.select_from(t.jobs.outerjoin(unknown_to, self._is(unknown_to)))
            statement = statement.where(unknown_to.c.job_id.is_(None))
        if key is not None:
            statement = statement.where(*self._is_key(key))
        return [
            WaitingJob(
                native(row.key, t.job_key_type),
                _text(row.name) or "",
                _category(job.category_value, _text(row.category)),
                _moment(row.now, _until(row.starts_in)),
                _until(row.left),
                channel_of(job.channel_value, _text(row.channel)),
                (_text(row.send_window) or "").strip() or None,
                _until(row.due_in),
            )
            for row in c.execute(statement)
        ]

    def unsent_count(self, c: Connection, job_key: Key) -> int:
        """How many emails of a job are not sent yet, by their status."""
        return c.execute(select(func.count()).select_from(self._unsent(job_key).subquery())).scalar_one()

    def _is(self, known: FromClause) -> ColumnElement[bool]:
        key = self._tables.job_id
        if self._tables.job_key_type == "integer":
            return known.c.job_id == key
        return (known.c.source_key == as_stored_key(key)) & same_bytes(known.c.source_key, key)

    def _is_key(self, key: str) -> list[ColumnElement[bool]]:
        """That a job has this key, letter for letter. The first comparison is for the index."""
        t = self._tables
        own = native(key, t.job_key_type)
        return [t.job_id == own] if isinstance(own, int) else [t.job_id == own, same_bytes(t.job_id, own)]

    def _expiry(self, name: str) -> ColumnElement[Any]:
        return seconds_left(self._tables.job(name)) if name else null()

    def unsent(self, c: Connection, job_key: Key, after: Key | None, size: int) -> list[SourceRow]:
        """The next `size` emails of a job that the source says are not sent yet, by key, starting after `after`.

        What the old server has sent already is left out. A job it had sent by half is never mailed twice. Emails
        without a recipient are listed with "", so that they fail with a reason instead of being forgotten.
        """
        t = self._tables
        if after is None:
            return self._rows(c, self._unsent(job_key).order_by(t.email_id).limit(size))
        return self._rows(c, self._unsent_beyond(job_key, after).order_by(t.email_job, t.email_id).limit(size))

    def copies_plainly(self, c: Connection) -> bool:
        """Whether the database can copy keys and recipients as `unsent` would give them. It can for numbers, and texts
        with a character set. Bytes are decoded here. In the database they could become another address."""
        e = self._settings.email
        key, recipient = self._live(c, e.id), self._live(c, e.recipient)
        return key is not None and recipient is not None and (key.kind, recipient.kind) == (Kind.INTEGER, Kind.TEXT)

    def unsent_until(self, c: Connection, job_key: Key, after: Key, size: int) -> tuple[int, Key | None]:
        """How many rows `unsent` would list, and the key of the last one. None when there are none."""
        t = self._tables
        chunk = self._unsent_beyond(job_key, after).order_by(t.email_job, t.email_id).limit(size)
        keys = chunk.with_only_columns(t.email_id.label("key")).subquery()
        rows, last = c.execute(select(func.count(), func.max(keys.c.key))).one()
        return rows, None if last is None else native(last, t.email_key_type)

    def unsent_between(self, job_key: Key, after: Key, last: Key) -> Subquery:
        """The rows that `unsent` would list, beyond `after` and up to `last`: `key` and `recipient`."""
        t = self._tables
        return self._unsent_beyond(job_key, after).where(t.email_id <= native(last, t.email_key_type)).subquery()

    def unknown(self, c: Connection, job_key: Key, known: Known, size: int) -> list[SourceRow]:
        """Up to `size` emails of a job that are not sent yet by their status, and neither in the ledger nor refused.

        Asked when a job is enlisted to its end, and before it is finished. A row that came behind the cursor, or after
        it, is found here.
        """
        t = self._tables
        emails, refusals = known.emails.alias(), known.refusals.alias()
        if t.email_key_type == "integer":
            same = emails.c.email_id == t.email_id
        else:
            same = (emails.c.source_key == as_stored_key(t.email_id)) & same_bytes(emails.c.source_key, t.email_id)
        enlisted = exists().where(same, emails.c.job_id == known.job_id)
        refused = exists().where(refusals.c.job_id == known.job_id, same_bytes(refusals.c.source_key, t.email_id))
        statement = self._unsent(job_key).where(~enlisted, ~refused).order_by(t.email_id).limit(size)
        return self._rows(c, statement)

    def spelt_otherwise(self, c: Connection, job_key: Key, size: int) -> list[tuple[SourceRow, Key]]:
        """Up to `size` unsent emails that only the database's collation takes for this job's, and the job that they
        name. None whose job is there letter for letter. Integer keys have none."""
        t = self._tables
        if t.single or t.job_key_type == "integer":
            return []
        statement = self._columns().add_columns(t.email_job.label("names")).order_by(t.email_id).limit(size)
        statement = statement.where(t.email_job == job_key, ~same_bytes(t.email_job, job_key), t.is_pending())
        found = [(self._row(row), native(row.names, t.job_key_type)) for row in c.execute(statement)]
        return [(row, named) for row, named in found if not self._has_job(c, named)]

    def _has_job(self, c: Connection, key: Key) -> bool:
        keys = c.execute(select(self._tables.job_id).where(self._tables.job_id == key)).scalars()
        return key in {native(found, self._tables.job_key_type) for found in keys}

    def _unsent_beyond(self, job_key: Key, after: Key) -> Select[Any]:
        """A job's unsent emails with keys beyond `after`. To be ordered by job and key, as the index is.

        `job >= key AND job <= key` is `job = key`, and not for the optimizer. With `=` MariaDB goes by the job alone
        (`ref`) and reads the job from its first email for each page. MySQL may go by the emails' key alone, and reads
        other jobs' emails. A range over both columns begins where the last page has ended, on both.
        """
        t = self._tables
        of_job, *letter_for_letter = self._of_job(job_key)
        if not t.single:
            key = native(job_key, t.job_key_type)
            of_job = (t.email_job >= key) & (t.email_job <= key)
        beyond = t.email_id > native(after, t.email_key_type)
        return self._columns().where(of_job, beyond, *letter_for_letter, t.is_pending())

    def _unsent(self, job_key: Key) -> Select[Any]:
        return self._columns().where(*self._of_job(job_key), self._tables.is_pending())

    def _columns(self) -> Select[Any]:
        recipient = func.coalesce(self._tables.email(self._settings.email.recipient), "")
        return select(self._tables.email_id.label("key"), recipient.label("recipient"))

    def _of_job(self, job_key: Key) -> list[ColumnElement[bool]]:
        """An email's job, letter for letter. The first comparison is for the index, and may take two for one."""
        t = self._tables
        key = native(job_key, t.job_key_type)
        plain = t.email_job == key
        return [plain] if isinstance(key, int) else [plain, same_bytes(t.email_job, key)]

    def _rows(self, c: Connection, statement: Select[Any]) -> list[SourceRow]:
        return [self._row(row) for row in c.execute(statement)]

    def _row(self, row: Any) -> SourceRow:
        return SourceRow(native(row.key, self._tables.email_key_type), _text(row.recipient) or "")

    def already_settled_count(self, c: Connection, job_key: Key) -> int:
        """How many emails of a job `unsent` leaves out. To be asked before the first of them is sent by us."""
        statement = select(func.count()).where(*self._of_job(job_key), self._tables.is_settled())
        return c.execute(statement).scalar_one()

    def job(self, c: Connection, job_id: int, job_key: Key, revision: int) -> Job:
        """What all emails of a job share. Raises `RenderError` when its row has gone or holds no readable text."""
        t, job = self._tables, self._settings.job
        columns = {
            "sender": job.sender,
            "reply_to": job.reply_to,
            "subject": job.subject,
            "html_template": job.html_template,
            "text_template": job.text_template,
            "category": job.category,
            "track_opens": job.track_opens,
            "track_clicks": job.track_clicks,
        }
        key = native(job_key, t.job_key_type)
        statement = select(*(t.job(name).label(role) for role, name in columns.items())).where(t.job_id == key)
        row = c.execute(statement).one_or_none()
        if row is None:
            raise RenderError(f"job {key} is not in the source table {t.jobs.name} any more")
        texts = {role: _job_text(role, value) for role, value in row._mapping.items()}
        return Job(
            job_id=job_id,
            key=str(key),
            revision=revision,
            sender=_or(job.sender_value, texts["sender"]) or "",
            subject=_or(job.subject_value, texts["subject"]) or "",
            reply_to=_or(job.reply_to_value, texts["reply_to"]) or None,
            html_template=_or(job.html_template_value, texts["html_template"]),
            text_template=_or(job.text_template_value, texts["text_template"]),
            attachments=job_files(c, t, key),
            category=_category(job.category_value, texts["category"]),
            track_opens=_yes(job.track_opens_value, texts["track_opens"]),
            track_clicks=_yes(job.track_clicks_value, texts["track_clicks"]),
        )

    def emails(self, c: Connection, claimed: Sequence[Email]) -> list[Email]:
        """`claimed` with their content, in the same order. An email whose row has gone is left out.

        One request for the emails and their attachments, however many they are.
        """
        if not claimed:
            return []
        t, names = self._tables, self._settings.email.variable_columns
        keys = [native(email.content_key, t.email_key_type) for email in claimed]
        statements = [BoundStatement(statement, {"keys": keys}, rows=None) for statement in self._contents(c)]
        found, *of_files = [result.rows for result in execute(c, statements)]
        rows = {native(row.key, t.email_key_type): row for row in found}
        files = by_owner(chain.from_iterable(of_files), t.email_key_type, keys)
        problems = self._problems(c, files)
        return [
            replace(
                email,
                recipient=email.recipient if email.redirected else _text(row.recipient) or "",
                recipient_name=_text(row.recipient_name),
                variables=row.variables,
                columns={name: getattr(row, f"column_{n}") for n, name in enumerate(names)},
                attachments=(*self._own_file(row), *files.found.get(key, ())),
                settled_elsewhere=bool(row.settled) and email.resend_of is None,  # a resend's original is sent
                problem=problems.get(key, ""),
            )
            for email, key in zip(claimed, keys, strict=True)
            if (row := rows.get(key)) is not None
        ]

    def _problems(self, c: Connection, files: AttachmentFiles) -> Mapping[Key, str]:
        strays = files.strays(c, self._tables.email_id, self._tables.email_key_type)
        return {key: spelt_otherwise("email_id", named, key) for key, named in strays.items()}

    def recipients(self, c: Connection, keys: Iterable[str]) -> dict[str, str]:
        """The recipients of these emails as the source has them now, by their keys, without those that have gone."""
        t = self._tables
        wanted = {native(key, t.email_key_type): key for key in keys}
        recipient = t.email(self._settings.email.recipient).label("recipient")
        statement = select(t.email_id.label("key"), recipient).where(t.email_id.in_(list(wanted)))
        rows = c.execute(statement).all() if wanted else ()
        found = {native(row.key, t.email_key_type): _text(row.recipient) or "" for row in rows}
        return {wanted[key]: recipient for key, recipient in found.items() if key in wanted}

    def _own_file(self, row: Any) -> tuple[AttachmentRef, ...]:
        e = self._settings.email
        location = _text(row.location) if e.attachment_location else None
        if not location:
            return ()
        return (AttachmentRef(location, _text(row.filename) if e.attachment_filename else None),)

    def _contents(self, c: Connection) -> list[Select[Any]]:
        """What is read for emails whose keys are given as `keys`.

        That is their rows, and attachments where emails have any. Made once a process."""
        if self._of_emails is None:
            self._of_emails = self._made_contents(c)
        return self._of_emails

    def _made_contents(self, c: Connection) -> list[Select[Any]]:
        t, e = self._tables, self._settings.email
        offered = [as_offered(t.email(column), self._live(c, column)) for column in e.variable_columns.values()]
        rows = select(
            t.email_id.label("key"),
            t.email(e.recipient).label("recipient"),
            t.email(e.recipient_name).label("recipient_name"),
            t.email(e.variables).label("variables"),
            *([t.email(e.attachment_location).label("location")] if e.attachment_location else []),
            *([t.email(e.attachment_filename).label("filename")] if e.attachment_filename else []),
            case((t.is_pending(), False), else_=True).label("settled"),
            *(column.label(f"column_{n}") for n, column in enumerate(offered)),
        ).where(t.email_id.in_(bindparam("keys", expanding=True)))
        files = files_of_emails(t)
        return [rows] if files is None else [rows, files]

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
        """The statement of `write_email` and its values, for those who send it together with others."""
        e, t = self._settings.email, self._tables
        values: dict[str, Any] = {"its_key": native(key, t.email_key_type)}
        if e.status_detail:
            values["its_detail"] = self._fit(c, e.status_detail, detail)
        if e.attempts:
            values["its_attempts"] = attempts
        if message_id is not None and e.message_id:
            values["its_message_id"] = self._fit(c, e.message_id, message_id)
        return self._email_update(state, "its_message_id" in values), values

    @cache  # noqa: B019 - one source a process, and a few states
    def _email_update(self, state: EmailState, with_message_id: bool) -> Update:
        """Built once for each state, because this is written for every single email."""
        e, t = self._settings.email, self._tables
        values: dict[str, Any] = {
            e.status: self._word(state),
            e.status_detail: bindparam("its_detail"),
            e.attempts: bindparam("its_attempts"),
        }
        if state is EmailState.SENT:
            values[e.sent_at] = source_now()
        if with_message_id:
            values[e.message_id] = bindparam("its_message_id")
        statement = update(t.emails).where(t.email_id == bindparam("its_key")).values(_existing(values))
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
        values = _existing(self._status(c, state, detail))
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

    def write_job(self, c: Connection, key: Key, state: JobState) -> None:
        """Write a job's status back. Nothing is written in a single table, where the email's status is the job's.

        An active job is written as ready again (a requeue has opened it). A paused one keeps its status.
        """
        if self._tables.single:
            return
        t, words = self._tables, self._settings.job.statuses
        word = {
            JobState.ACTIVE: words.ready,
            JobState.FINISHED: words.finished,
            JobState.FAILED: words.failed,
            JobState.CANCELLED: words.cancelled,
        }.get(state)
        if word is not None:
            statement = update(t.jobs).where(t.job_id == native(key, t.job_key_type))
            c.execute(statement.values({self._settings.job.status: word}))

    def _fit(self, c: Connection, column: str, words: str) -> str:
        """`words` as the live column can hold them. The table is inspected once a process."""
        limit = self._live(c, column)
        return limit.fit(words) if limit else words

    def _live(self, c: Connection, column: str) -> LiveColumn | None:
        if self._limits is None:
            live = read_table(c, self._settings.email.table)
            self._limits = live.columns if live else {}
        return self._limits.get(column.lower())


def _existing(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name}


def _until(seconds: Any) -> float | None:
    return None if seconds is None or seconds > NEVER_SECONDS else float(seconds)


def _moment(now: datetime, seconds: float | None) -> datetime | None:
    """To the second, as schedules are. A difference of two times is not exact to the last digit."""
    return None if seconds is None else (now + timedelta(seconds=seconds + 0.5)).replace(microsecond=0)


def _or(constant: str | None, text: str | None) -> str | None:
    return text if constant is None else constant


def _yes(constant: bool | None, text: str | None) -> bool:
    """A wish of a job. Only a clear yes is one, so no recipient is tracked because of an unknown word."""
    return (text or "").strip().lower() in YES if constant is None else constant


def _category(constant: str | None, text: str | None) -> str:
    """A category as the ledger keeps it.

    A longer name is cut, here and for the list alike, so it stays one category.
    """
    return (_or(constant, text) or "").strip()[:CATEGORY_LENGTH].rstrip()


def channel_of(constant: str | None, text: str | None) -> str:
    """The name of a job's channel as the ledger keeps it. What no channel can be called stays a name of none: a longer
    name is cut and marked, and a letter of another script becomes "?"."""
    name = (_or(constant, text) or "").strip().encode("ascii", "replace").decode() or DEFAULT_CHANNEL
    return name if len(name) <= CHANNEL_LENGTH else f"{name[: CHANNEL_LENGTH - 1]}~"


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


def _job_text(role: str, value: Any) -> str | None:
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else _text(value)
    except UnicodeDecodeError as error:
        raise RenderError(
            f"{role}: the source's bytes are not UTF-8 text ({error.reason} at byte {error.start})"
        ) from error
