"""The jobs of the source."""

from typing import Any

from sqlalchemy import Connection, FromClause, null, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.database.clock import utc_now
from eed_delivery.errors import RenderError
from eed_delivery.model import Job, JobState, ReadyJob, WaitingJob
from eed_delivery.source.clock import has_come, seconds_left
from eed_delivery.source.files import job_files
from eed_delivery.source.keys import as_stored_key, same_bytes
from eed_delivery.source.mapped_source import MappedSource
from eed_delivery.source.tables import Key, native
from eed_delivery.source.values import (
    category_of,
    channel_of,
    constant_or,
    is_yes,
    job_text_of,
    text_of,
    until_ever,
    whole_moment,
)


class SourceJobs(MappedSource):
    """Reads jobs, and writes their status back."""

    def channel_of(self, c: Connection, job_key: Key) -> str:
        """The name of a job's channel, whatever the job's state. That of all jobs where its row has gone."""
        t, job = self._tables, self._settings.job
        channel = select(t.job(job.channel)).where(t.job_id == native(job_key, t.job_key_type))
        return channel_of(job.channel_value, text_of(c.execute(channel).scalar()))

    def _facts(self) -> list[ColumnElement[Any]]:
        """What each job is entered with, by the names that `ready_jobs` and `waiting_jobs` read."""
        t, job = self._tables, self._settings.job
        return [
            t.job_id.label("key"),
            t.job(job.name).label("name"),
            t.job(job.category).label("category"),
            t.job(job.channel).label("channel"),
            t.job(job.send_window).label("send_window"),
            self._expiry(job.expires_at).label("left"),
            self._expiry(job.deadline).label("due_in"),
        ]

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
                *self._facts(),
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
                text_of(row.name) or "",
                until_ever(row.left),
                (text_of(row.recipient) or "") if t.single else None,
                category_of(job.category_value, text_of(row.category)),
                bool(row.again),
                channel_of(job.channel_value, text_of(row.channel)),
                (text_of(row.send_window) or "").strip() or None,
                until_ever(row.due_in),
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
                *self._facts(),
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
                text_of(row.name) or "",
                category_of(job.category_value, text_of(row.category)),
                whole_moment(row.now, until_ever(row.starts_in)),
                until_ever(row.left),
                channel_of(job.channel_value, text_of(row.channel)),
                (text_of(row.send_window) or "").strip() or None,
                until_ever(row.due_in),
            )
            for row in c.execute(statement)
        ]

    def _is(self, known: FromClause) -> ColumnElement[bool]:
        key = self._tables.job_id
        if self._tables.job_key_type == "integer":
            return known.c.job_id == key
        return (known.c.source_key == as_stored_key(key)) & same_bytes(known.c.source_key, key)

    def _expiry(self, name: str) -> ColumnElement[Any]:
        return seconds_left(self._tables.job(name)) if name else null()

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
        texts = {role: job_text_of(role, value) for role, value in row._mapping.items()}
        return Job(
            job_id=job_id,
            key=str(key),
            revision=revision,
            sender=constant_or(job.sender_value, texts["sender"]) or "",
            subject=constant_or(job.subject_value, texts["subject"]) or "",
            reply_to=constant_or(job.reply_to_value, texts["reply_to"]) or None,
            html_template=constant_or(job.html_template_value, texts["html_template"]),
            text_template=constant_or(job.text_template_value, texts["text_template"]),
            attachments=job_files(c, t, key),
            category=category_of(job.category_value, texts["category"]),
            track_opens=is_yes(job.track_opens_value, texts["track_opens"]),
            track_clicks=is_yes(job.track_clicks_value, texts["track_clicks"]),
        )

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
