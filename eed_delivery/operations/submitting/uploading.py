"""A job whose recipients a caller sends along, or has in S3. Every row is checked before anything is written."""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, cast

from eed_delivery.model import AttachmentRef
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.repeats import KeptKey
from eed_delivery.operations.submitting.drafts import JobDraft
from eed_delivery.operations.submitting.s3_recipients import S3Recipients, S3Reference
from eed_delivery.operations.submitting.sifting import RowsRefused, Sifted, SiftRequest
from eed_delivery.operations.submitting.submission import PreparedJob, RegisteredJob, SubmissionPreview, Submitting
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.lines import BadRow, FileLines
from eed_delivery.operations.text_files.reading import encoding_name, read_text

ROWS_NAMED = 100
"""Limit: bad rows that are named."""
NAME = "recipients"


class BadRows(InvalidRequest):
    """Rows are bad, and nothing was registered. `rows` are the first of them, `total` is how many there are."""

    def __init__(self, rows: tuple[BadRow, ...], total: int, refused: RowsRefused) -> None:
        super().__init__(refused.what, which=NAME, do="Correct them, then send the file again.")
        self.rows = rows
        self.total = total


@dataclass(frozen=True, slots=True)
class UploadedJob:
    """A job to register. `recipients` is an open CSV, or a place in S3. `encoding` None: that of the file's mark (BOM),
    else UTF-8. `delimiter` None: that of the first line."""

    draft: JobDraft
    recipients: IO[bytes] | S3Reference
    encoding: str | None = None
    delimiter: str | None = None

    def of(self, place: S3Reference) -> "UploadedJob":
        """The same with another place in S3."""
        return replace(self, recipients=place)


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """A job of which every row is good. It is valid while the file is open."""

    job: PreparedJob
    sifted: Sifted


class Uploading:
    """Checks and registers jobs of callers. Each call raises `DatabaseGone`, and for what cannot be registered
    `OperationRefused` or `RenderError`."""

    def __init__(self, submitting: Submitting, in_s3: S3Recipients) -> None:
        self._submitting = submitting
        self._in_s3 = in_s3

    def prepare(self, uploaded: UploadedJob) -> tuple[str, ...]:
        """Check all but the recipients. Returns notes for the caller. Raises as `checked` does."""
        self._submitting.check_source()
        if uploaded.encoding is not None:
            encoding_name(uploaded.encoding)
        return self._submitting.prepare(uploaded.draft).notes

    def prepared(self, draft: JobDraft, shared: tuple[AttachmentRef, ...]) -> PreparedJob:
        """A job whose attachments were looked at before. Raises as `checked` does."""
        return self._submitting.prepare(draft, shared=shared)

    def longer_in_s3(self, place: S3Reference, lines: int, each: Callable[[], None]) -> S3Reference | None:
        """As `S3Recipients.longer_than`."""
        return self._in_s3.longer_than(place, lines, each)

    @contextmanager
    def checked(self, uploaded: UploadedJob, each: Callable[[], None] = lambda: None) -> Iterator[CheckedJob]:
        """Check all of a job. Raises `BadRows`, and `NotPossible` for a file that is none. `each` is called often.

        What is read is in files that nobody else can open, and that are gone with this block.
        """
        self._submitting.check_source()
        encoding = None if uploaded.encoding is None else encoding_name(uploaded.encoding)
        each()
        job = self._submitting.prepare(uploaded.draft)
        each()
        with tempfile.TemporaryFile() as fetched, tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            stream = uploaded.recipients
            if isinstance(stream, S3Reference):
                self._in_s3.fetch(stream, fetched, each)
                fetched.seek(0)
                stream = fetched
            text = read_text(cast("io.BufferedReader", stream), NAME, encoding)
            request = SiftRequest(text, "csv", Form(uploaded.delimiter))
            named: list[BadRow] = []

            def refuse(row: BadRow, _: FileLines) -> None:
                if len(named) < ROWS_NAMED:
                    named.append(row)

            try:
                sifted = self._submitting.sift(job, request, spool, refuse, each)
            except RowsRefused as error:
                raise BadRows(tuple(named), error.sifted.refused, error) from error
            yield CheckedJob(job, sifted)

    def preview(self, checked: CheckedJob) -> SubmissionPreview:
        """As `Submitting.preview`."""
        return self._submitting.preview(checked.job, checked.sifted)

    def register(self, checked: CheckedJob, key: KeptKey) -> RegisteredJob:
        """As `Submitting.register`."""
        return self._submitting.register(checked.job, checked.sifted, key)

    def registered_as(self, operation: str) -> RegisteredJob | None:
        """As `Submitting.registered_as`."""
        return self._submitting.registered_as(operation)
