"""What the mapping expects of each table, which is its columns, their kind and length, and the index."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eed_delivery.config import EmailSource, SourceSettings
from eed_delivery.config.source_mapping import KeyType
from eed_delivery.model import KEY_LENGTH
from eed_delivery.source.live import Kind

ADDRESS_LENGTH = 254
"""The longest address that can be delivered (RFC 5321, 4.5.3.1.3, less the angle brackets)."""
MESSAGE_ID_LENGTH = 100
"""Room for the message ids of SES (60 characters) and of the usual mail servers."""
DETAIL_LENGTH = 100
"""Less than this cuts nearly every mail server's reply."""
OUTCOME_LENGTH = 12
"""The longest outcome is `soft_bounced`, or `hard_bounced`."""

_WORDS = frozenset({Kind.TEXT, Kind.ENUM})
_TEXT = frozenset({Kind.TEXT})
_CONTENT = frozenset({Kind.TEXT, Kind.BINARY})
_JSON = frozenset({Kind.TEXT, Kind.JSON})
_NUMBER = frozenset({Kind.INTEGER})
_TIME = frozenset({Kind.TIME})


@dataclass(frozen=True, slots=True)
class Expected:
    """One column: the setting that names it and what it must be able to hold. An empty `kinds` means anything."""

    setting: str
    column: str
    kinds: frozenset[Kind] = frozenset()
    at_least: int = 0  # characters; fewer is a warning
    at_most: int | None = None  # characters; more is an error
    words: tuple[int | str, ...] = ()  # statuses that are compared with it or written to it
    written: bool = False
    human: bool = False  # people's text: names and contents in any script
    for_templates: bool = False  # a template is given its values
    unique: bool = False
    indexed: str = ""  # why an index must begin with it; "" if it needn't


@dataclass(frozen=True, slots=True)
class ExpectedTable:
    """One table with those of its columns that are mapped."""

    setting: str
    name: str
    columns: tuple[Expected, ...]


def expected_tables(settings: SourceSettings) -> Iterator[ExpectedTable]:
    """The tables of the mapping. In a single table the job's columns are among the email's."""
    if not settings.single_table:
        yield _table("source.job.table", settings.job.table, [*_job_keys(settings), *_job_content(settings)])
        yield _table("source.email.table", settings.email.table, _email(settings))
    else:
        yield _table("source.email.table", settings.email.table, [*_email(settings), *_job_content(settings)])
    if settings.attachment.table:
        yield _table("source.attachment.table", settings.attachment.table, _attachment(settings))


def _table(setting: str, name: str, columns: Iterable[Expected]) -> ExpectedTable:
    return ExpectedTable(setting, name, tuple(expected for expected in columns if expected.column))


def _key(setting: str, column: str, kind: KeyType, *, unique: bool = False, indexed: str = "") -> Expected:
    if kind == "integer":
        return Expected(setting, column, _NUMBER, unique=unique, indexed=indexed)
    return Expected(setting, column, _TEXT, at_most=KEY_LENGTH, unique=unique, indexed=indexed)


def _status(setting: str, column: str, words: tuple[int | str, ...], *, indexed: str = "") -> Expected:
    numbers = all(isinstance(word, int) for word in words)
    return Expected(setting, column, _NUMBER if numbers else _WORDS, words=words, written=True, indexed=indexed)


_POLLED = "it is asked every few seconds for jobs that are ready"


def _job_keys(settings: SourceSettings) -> Iterator[Expected]:
    j, words = settings.job, settings.job.statuses
    yield _key("source.job.id", j.id, j.key_type, unique=True)
    all_words = (words.ready, words.finished, words.failed, words.cancelled)
    yield _status("source.job.status", j.status, all_words, indexed=_POLLED)


def _job_content(settings: SourceSettings) -> Iterator[Expected]:
    j = settings.job
    yield Expected("source.job.name", j.name, human=True)
    yield Expected("source.job.sender", j.sender, _TEXT)
    yield Expected("source.job.reply_to", j.reply_to, _TEXT)
    yield Expected("source.job.subject", j.subject, _CONTENT, human=True)
    yield Expected("source.job.html_template", j.html_template, _CONTENT, human=True)
    yield Expected("source.job.text_template", j.text_template, _CONTENT, human=True)
    yield Expected("source.job.scheduled_for", j.scheduled_for, _TIME)
    yield Expected("source.job.expires_at", j.expires_at, _TIME)
    yield Expected("source.job.category", j.category, human=True)
    yield Expected("source.job.channel", j.channel, _WORDS)
    yield Expected("source.job.send_window", j.send_window, _JSON)
    yield Expected("source.job.deadline", j.deadline, _TIME)
    yield Expected("source.job.track_opens", j.track_opens)
    yield Expected("source.job.track_clicks", j.track_clicks)


def _email(settings: SourceSettings) -> Iterator[Expected]:
    e, single = settings.email, settings.single_table
    yield _key("source.email.id", e.id, e.key_type, unique=True)
    if not single:
        why = "without it every chunk of a job reads the whole table"
        yield _key("source.email.job_id", e.job_id, settings.job.key_type, indexed=why)
    ready = (settings.job.statuses.ready,) if single else ()
    words = (*e.statuses.pending, e.statuses.sent, e.statuses.failed, e.statuses.in_doubt)
    words = (*ready, *words, e.statuses.suppressed, e.statuses.cancelled)
    yield _status("source.email.status", e.status, words, indexed=_POLLED if single else "")
    yield Expected("source.email.recipient", e.recipient, _TEXT, at_least=ADDRESS_LENGTH)
    yield Expected("source.email.recipient_name", e.recipient_name, _TEXT, human=True)
    yield Expected("source.email.variables", e.variables, _JSON, human=True)
    for name, column in e.variable_columns.items():
        yield Expected(f"source.email.variable_columns.{name}", column, human=True, for_templates=True)
    yield Expected("source.email.attachment_location", e.attachment_location, _TEXT)
    yield Expected("source.email.attachment_filename", e.attachment_filename, _TEXT, human=True)
    yield from _written(e)


def _written(e: EmailSource) -> Iterator[Expected]:
    detail, message_id = DETAIL_LENGTH, MESSAGE_ID_LENGTH
    yield Expected("source.email.status_detail", e.status_detail, _CONTENT, at_least=detail, written=True)
    yield Expected("source.email.attempts", e.attempts, _NUMBER, written=True)
    yield Expected("source.email.message_id", e.message_id, _CONTENT, at_least=message_id, written=True)
    yield Expected("source.email.sent_at", e.sent_at, _TIME, written=True)
    yield Expected("source.email.outcome", e.outcome, _TEXT, at_least=OUTCOME_LENGTH, written=True)


def _attachment(settings: SourceSettings) -> Iterator[Expected]:
    a = settings.attachment
    why = "without it every batch of emails reads the whole table"
    yield _key("source.attachment.email_id", a.email_id, settings.email.key_type, indexed=why)
    why = "without it every job reads the whole table"
    yield _key("source.attachment.job_id", a.job_id, settings.job.key_type, indexed=why)
    yield Expected("source.attachment.location", a.location, _TEXT)
    yield Expected("source.attachment.filename", a.filename, _TEXT, human=True)
    yield Expected("source.attachment.content_type", a.content_type, _TEXT)
    yield Expected("source.attachment.sha256", a.sha256, _TEXT, at_least=64)
