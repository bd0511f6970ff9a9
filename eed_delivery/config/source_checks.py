"""A source mapping whose parts don't go together."""

from collections.abc import Iterator
from itertools import combinations

from eed_delivery.config.problems import Clash
from eed_delivery.config.source_mapping import VALUES, SourceSettings
from eed_delivery.model import OUR_PREFIX

WRITTEN = ("status", "status_detail", "attempts", "message_id", "sent_at", "outcome")
READ = ("id", "job_id", "recipient", "recipient_name", "variables", "attachment_location", "attachment_filename")
JOB_READ = (
    *("sender", "reply_to", "subject", "html_template", "text_template", "scheduled_for", "expires_at", "name"),
    *("category", "track_opens", "track_clicks"),
)
EMAIL_ENDS = ("sent", "failed", "in_doubt", "suppressed", "cancelled")
JOB_ENDS = ("finished", "failed", "cancelled")


def source_clashes(source: SourceSettings) -> Iterator[Clash]:
    """Everything in the mapping that would make the service do the wrong thing or nothing."""
    yield from _missing_columns(source)
    yield from _reserved_names(source)
    yield from _constants(source)
    yield from _job_statuses(source)
    yield from _email_statuses(source)
    yield from _mixed_statuses(source)
    yield from _columns_written_twice(source)


def same(one: int | str, other: int | str) -> bool:
    """Whether MySQL may take two values for one. Its usual collations ignore case and trailing spaces, and '1' = 1."""
    return str(one).rstrip().casefold() == str(other).rstrip().casefold()


def _missing_columns(source: SourceSettings) -> Iterator[Clash]:
    job, email, attachment = source.job, source.email, source.attachment
    for name in ("sender", "subject"):
        if not getattr(job, name) and not getattr(job, f"{name}_value"):
            yield Clash.of(
                (f"source.job.{name}",),
                "there is neither a column nor a value",
                f"Name the column, or set source.job.{name}_value.",
            )
    if not any((job.html_template, job.text_template, job.html_template_value, job.text_template_value)):
        yield Clash.of(
            ("source.job.html_template", "source.job.text_template"),
            "there is no template at all",
            "Name the column of at least one, or set its _value.",
        )
    if not source.single_table and not email.job_id:
        yield Clash.of(
            ("source.email.job_id", "source.single_table"),
            "no column says which job an email belongs to",
            "Name the column, or set source.single_table = true if each row is a job of its own.",
        )
    if attachment.table and not attachment.job_id and not attachment.email_id:
        yield Clash.of(
            ("source.attachment.job_id", "source.attachment.email_id"),
            "no column says what an attachment belongs to",
            'Name one of them, or set source.attachment.table = "".',
        )
    if email.attachment_filename and not email.attachment_location:
        yield Clash.of(
            ("source.email.attachment_filename", "source.email.attachment_location"),
            "a file name is mapped without the file's location",
            "Name the location's column too.",
        )


def _reserved_names(source: SourceSettings) -> Iterator[Clash]:
    for name in source.email.variable_columns:
        if name.startswith(OUR_PREFIX):
            key = ("source", "email", "variable_columns", name)
            what = f"variables that begin with {OUR_PREFIX} are the service's own"
            yield Clash((key,), what, "Give the variable another name. The column keeps its own.")


def _constants(source: SourceSettings) -> Iterator[Clash]:
    for value in VALUES:
        column = value.removesuffix("_value")
        if getattr(source.job, value) is not None and getattr(source.job, column):
            yield Clash.of(
                (f"source.job.{column}", f"source.job.{value}"),
                "both a column and a value for every job are given",
                "Keep one of them.",
            )


def _job_statuses(source: SourceSettings) -> Iterator[Clash]:
    statuses = source.job.statuses
    if source.single_table:
        return  # the status column is the email's, and its words are checked there
    for end in JOB_ENDS:
        if same(statuses.ready, getattr(statuses, end)):
            yield Clash.of(
                ("source.job.statuses.ready", f"source.job.statuses.{end}"),
                f"both are {statuses.ready!r}, so a {end} job would start again",
                "Give them different values.",
            )


def _email_statuses(source: SourceSettings) -> Iterator[Clash]:
    statuses = source.email.statuses
    if not statuses.pending and not statuses.include_null:
        yield Clash.of(
            ("source.email.statuses.pending", "source.email.statuses.include_null"),
            "no status means that an email is still to be sent",
            "List at least one in pending, or set include_null = true.",
        )
    for end in EMAIL_ENDS:
        word = getattr(statuses, end)
        if any(same(word, pending) for pending in statuses.pending):
            yield Clash.of(
                ("source.email.statuses.pending", f"source.email.statuses.{end}"),
                f"both hold {word!r}, so an email that is {end.replace('_', ' ')} would count as not sent yet",
                "Give them different values.",
            )
        if end != "sent" and same(word, statuses.sent):
            yield Clash.of(
                ("source.email.statuses.sent", f"source.email.statuses.{end}"),
                f"both are {word!r}, so sent and unsent emails could not be told apart",
                "Give them different values.",
            )
    ready = source.job.statuses.ready
    if source.single_table and not any(same(ready, pending) for pending in statuses.pending):
        yield Clash.of(
            ("source.job.statuses.ready", "source.email.statuses.pending"),
            f"in a single table a ready row is also an email to be sent, and {ready!r} is not in pending",
            "Add it to pending, or leave pending out.",
        )


def _mixed_statuses(source: SourceSettings) -> Iterator[Clash]:
    """MySQL compares a word with a number by making the word 0, so every word would match."""
    job, email = source.job.statuses, source.email.statuses
    columns = {
        "source.job.statuses": [job.ready, *(getattr(job, end) for end in JOB_ENDS)],
        "source.email.statuses": [*email.pending, *(getattr(email, end) for end in EMAIL_ENDS)],
    }
    if source.single_table:
        columns = {"source.email.statuses": [job.ready, *columns["source.email.statuses"]]}
    for key, words in columns.items():
        if len({isinstance(word, int) for word in words}) > 1:
            yield Clash.of(
                (key,),
                "some are words and some are numbers, and one column holds one kind",
                "Give all of them, the ones with a default too, as the column holds them.",
            )


def _columns_written_twice(source: SourceSettings) -> Iterator[Clash]:
    """A column that we write must have one meaning only."""
    mapped = {f"source.email.{name}": getattr(source.email, name) for name in (*WRITTEN, *READ)}
    if source.single_table:
        del mapped["source.email.job_id"]
        mapped |= {f"source.job.{name}": getattr(source.job, name) for name in JOB_READ}
    # the written columns come first, so every pair with one of them has it as its first
    for (key, column), (other, its_column) in combinations(mapped.items(), 2):
        if key.removeprefix("source.email.") in WRITTEN and column and column.casefold() == its_column.casefold():
            yield Clash.of(
                (key, other),
                f"both are the column {column!r}, and the first is written",
                "Give each its own column, or leave one out.",
            )
