"""The source's side of shadow mode: jobs that another server takes, and what it says of their emails. It only reads."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.source.comparing import SourceComparison, SourceEmail
from eed_delivery.source.keys import same_bytes
from eed_delivery.source.tables import Key, light_table, native
from eed_delivery.source.values import text_of

MOST_JOBS = 10_000
MOST_OPEN = 1000


@dataclass(frozen=True, slots=True)
class FollowedEmail:
    """An email as the other server has left it. `message_id` is what it has written, without angle brackets."""

    row: SourceEmail
    message_id: str | None


class SourceFollowing(SourceComparison):
    """Reads inside the caller's transaction. Safe for many threads."""

    def last_job(self, c: Connection) -> Key | None:
        """The largest key of a job. None without jobs, or where keys are no numbers."""
        t = self._tables
        if t.job_key_type != "integer":
            return None
        last = c.execute(select(func.max(t.job_id))).scalar()
        return None if last is None else self.job_key(last)

    def open_jobs(self, c: Connection) -> list[str]:
        """Keys of jobs that have not ended, by their status."""
        t = self._tables
        is_open = or_(~self._has_ended, t.job_status.is_(None))
        found = c.execute(select(t.job_id).where(is_open).order_by(t.job_id.desc()).limit(MOST_OPEN)).scalars()
        return [str(self.job_key(key)) for key in found]

    def taken(self, c: Connection, beyond: Key | None, opened: Collection[str]) -> list[str]:
        """Keys of jobs that are in the ready state, and of those `beyond` a key or in `opened` that have ended
        already."""
        t = self._tables
        keys = select(t.job_id).order_by(t.job_id).limit(MOST_JOBS)
        found = list(c.execute(keys.where(t.job_status == self._settings.job.statuses.ready)).scalars())
        if beyond is not None:
            found += c.execute(keys.where(t.job_id > beyond, self._has_ended)).scalars()
        if opened:
            these = t.job_id.in_([self.job_key(key) for key in opened])
            found += c.execute(keys.where(these, self._has_ended)).scalars()
        return list(dict.fromkeys(str(self.job_key(key)) for key in found))

    @property
    def _has_ended(self) -> ColumnElement[bool]:
        words = self._settings.job.statuses
        return self._tables.job_status.in_([words.finished, words.failed, words.cancelled])

    def are_ready(self, c: Connection, jobs: Collection[str]) -> Mapping[str, bool]:
        """Whether these jobs are still in the ready state, by their keys, without those that have gone."""
        found = self.jobs(c, [self.job_key(key) for key in jobs])
        return {str(key): ready for key, ready in found.items()}

    def rows(self, c: Connection, job: str, after: str, size: int) -> Sequence[FollowedEmail]:
        """The next `size` emails of a job by key, whatever their status, beyond `after`. "": from the first one."""
        t, column = self._tables, self._settings.email.message_id
        own = native(job, t.job_key_type)
        statement = self._columns().add_columns(t.email(column).label("message_id")).where(t.email_job == own)
        if not isinstance(own, int):
            statement = statement.where(same_bytes(t.email_job, own))
        if after:
            statement = statement.where(t.email_id > self.key(after))
        found = c.execute(statement.order_by(t.email_id).limit(size))
        return [FollowedEmail(self._email(row), _bare(text_of(row.message_id))) for row in found]

    def copies(self, c: Connection, column: str, keys: Collection[Key]) -> dict[str, bytes]:
        """What a column of the emails holds, by their keys, as bytes."""
        e = self._settings.email
        table = light_table(e.table, [e.id, column])
        statement = select(table.c[e.id], table.c[column]).where(table.c[e.id].in_(list(keys)))
        found = {}
        for key, value in c.execute(statement):
            if value:
                found[str(self.key(key))] = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
        return found


def _bare(message_id: str | None) -> str | None:
    bare = (message_id or "").strip().strip("<>")
    return bare or None
