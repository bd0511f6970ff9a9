"""The job that a caller wants to register, and what of it cannot be."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from eed_delivery.config import SourceSettings
from eed_delivery.operations.reference_schema import CATEGORY, CHANNEL
from eed_delivery.operations.refusals import InvalidRequest, OperationRefused
from eed_delivery.source.reference import delivery_job

LATEST = 2**31  # FROM_UNIXTIME ends in 2038 on older servers
_SIZED = ("name", "sender", "reply_to", "subject", "category", "channel")


class NoTemplate(InvalidRequest):
    """A job needs an HTML or a text body, or both."""


class TooLate(InvalidRequest):
    """A time that not every database can keep."""


class ExpiresFirst(InvalidRequest):
    """The job would expire before its time has come."""


class ExpiresPast(InvalidRequest):
    """The job would expire at once."""


class FieldTooLong(InvalidRequest):
    """A text that its column cannot keep. `limit` is in characters."""

    def __init__(self, which: str, limit: int) -> None:
        super().__init__(f"{which} is longer than {limit} characters", which=which)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class JobDraft:
    """A job as a caller wants it. `html` and `text` are templates, `attachments` the locations of files that each email
    gets. `schedule` and `expires` are times with their zone. `category` None means that the job has none.
    `channel` None means that it leaves by that of all jobs."""

    name: str
    sender: str
    subject: str
    html: str | None = None
    text: str | None = None
    reply_to: str | None = None
    category: str | None = None
    channel: str | None = None
    attachments: tuple[str, ...] = ()
    schedule: datetime | None = None
    expires: datetime | None = None

    def __post_init__(self) -> None:
        if self.html is None and self.text is None:
            raise NoTemplate("a job needs an html or a text template, or both", which="html")
        for name in ("schedule", "expires"):
            time = getattr(self, name)
            if time is not None and time.timestamp() >= LATEST:
                raise TooLate("not every database can store a time after 2038-01-19", which=name)
        if self.expires is not None and self.schedule is not None and self.expires <= self.schedule:
            raise ExpiresFirst("expires must be later than schedule", which="expires")

    def as_json(self) -> dict[str, Any]:
        """As JSON can keep it."""
        times = {
            name: time and time.isoformat() for name, time in (("schedule", self.schedule), ("expires", self.expires))
        }
        return {**asdict(self), **times}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "JobDraft":
        """What `as_json` gave."""
        times = {name: kept[name] and datetime.fromisoformat(kept[name]) for name in ("schedule", "expires")}
        return cls(**{**kept, **times, "attachments": tuple(kept["attachments"])})

    def check_expiry(self, now: datetime) -> None:
        """Raises `ExpiresPast`. `now` is the database's clock."""
        if self.expires is not None and self.expires.replace(tzinfo=None) <= now:
            raise ExpiresPast("expires is in the past, so nothing would be sent", which="expires")

    def row(self, source: SourceSettings) -> Mapping[str, Any]:
        """The job's row in the reference schema. Raises `OperationRefused` for what does not fit into it."""
        row: dict[str, Any] = {
            "name": self.name,
            "sender": self.sender,
            "reply_to": self.reply_to,
            "subject": self.subject,
            "html_template": self.html,
            "text_template": self.text,
            "scheduled_for": self.schedule,
            "expires_at": self.expires,
            **self._category(source),
            **self._channel(source),
        }
        for name in _SIZED:
            limit = getattr(delivery_job.c[name].type, "length", None)
            if limit is not None and len(row.get(name) or "") > limit:
                raise FieldTooLong(name, limit)
        return row

    def _category(self, source: SourceSettings) -> dict[str, str]:
        """The job's category.

        None is no value, too, because tables that were made before there were any lack the column.
        """
        if self.category is None:
            return {}
        if not source.job.category:
            do = f'Set source.job.category = "{CATEGORY}" to give them one.'
            raise OperationRefused("jobs have no category here", which="category", do=do)
        return {CATEGORY: self.category}

    def _channel(self, source: SourceSettings) -> dict[str, str]:
        """The job's channel. None is no value, too: tables of earlier releases lack the column."""
        if self.channel is None:
            return {}
        if not source.job.channel:
            do = f'Set source.job.channel = "{CHANNEL}" to let jobs name one.'
            raise OperationRefused("jobs name no channel here", which="channel", do=do)
        return {CHANNEL: self.channel}
