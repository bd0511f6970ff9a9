"""Jobs with many recipients: an operation checks and registers them, and goes on where a killed process stood.

The job stays `preparing` until its last email is in. So one that was stopped, or has failed, is never sent.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import IO, Any

from sqlalchemy import Connection

from eed_delivery.config import SourceSettings
from eed_delivery.database.transactions import Database
from eed_delivery.errors import RenderError
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import note
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActChunk, LongActKind, LongActOrder
from eed_delivery.ledger.long_acts.parts import PART_BYTES, SubmittedParts
from eed_delivery.model import AttachmentRef
from eed_delivery.operations.long_acts.crowds import refuse_crowd
from eed_delivery.operations.long_acts.runner import LongActSteps, SeveralErrors
from eed_delivery.operations.long_acts.takers import LongActTakers
from eed_delivery.operations.refusals import OperationRefused, WrongState
from eed_delivery.operations.repeats import KeptKey
from eed_delivery.operations.submitting.drafts import JobDraft
from eed_delivery.operations.submitting.recipients import Recipient
from eed_delivery.operations.submitting.registering import JobRows
from eed_delivery.operations.submitting.s3_recipients import S3Reference, line_ends
from eed_delivery.operations.submitting.sifting import Sifted
from eed_delivery.operations.submitting.submission import PreparedJob, RegisteredJob, submission
from eed_delivery.operations.submitting.uploading import BadRows, CheckedJob, UploadedJob, Uploading
from eed_delivery.operations.text_files.lines import Sums
from eed_delivery.untrusted import mask_addresses

ROWS_AT_ONCE = 10_000
"""A file with more rows is registered by the side."""
ROWS_IN_FUNCTION = 2000
"""The same for a function, which has 29 seconds for all of it."""
BEGUN, REGISTERED = "begun", "registered"
"""Cursors: the job is entered, and it is ready. Between them, the cursor is how many emails are in."""
BAD_ROWS_NAMED = 9


class SubmissionOrders:
    """Takes jobs with many recipients. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        uploading: Uploading,
        ledger: LongActLedger,
        parts: SubmittedParts,
        takers: LongActTakers,
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> None:
        self._lines_at_once = rows_at_once + 1
        self._uploading = uploading
        self._ledger = ledger
        self._parts = parts
        self._takers = takers

    def too_long(self, uploaded: UploadedJob, each: Callable[[], None] = lambda: None) -> UploadedJob | None:
        """A job that has more rows than are registered at once. A place in S3 is then bound to its present content."""
        recipients = uploaded.recipients
        if isinstance(recipients, S3Reference):
            found = self._uploading.longer_in_s3(recipients, self._lines_at_once, each)
            return None if found is None else uploaded.of(found)
        left = self._lines_at_once
        while left >= 0 and (piece := recipients.read(PART_BYTES)):
            left -= line_ends(piece)
        recipients.seek(0)
        return uploaded if left < 0 else None

    def start(self, uploaded: UploadedJob, each: Callable[[], None] = lambda: None) -> LongAct:
        """Keep a job and its file, and have it registered. The same call, made again, does it once.

        The job itself is checked at once, and its rows by the side. Raises as `Submitting.prepare` does.
        """
        name, entered = self._ledger.named()
        if entered is not None:
            return entered
        refuse_crowd(self._ledger, LongActKind.SUBMIT)
        notes = self._uploading.prepare(uploaded)
        recipients, place = uploaded.recipients, None
        if isinstance(recipients, S3Reference):
            place = asdict(recipients)
        form = {"encoding": uploaded.encoding, "delimiter": uploaded.delimiter}
        kept = {"job": uploaded.draft.as_json(), "s3": place, **form}
        self._parts.put(name, 0, json.dumps(kept).encode())
        if not isinstance(recipients, S3Reference):
            self._keep(name, recipients, each)
        each()
        about = {"name": uploaded.draft.name}
        where = {"recipients": "in the request" if place is None else "in S3", **_noted(notes)}
        return self._ledger.start(LongActOrder(LongActKind.SUBMIT, about, where, None), name)

    def start_sifted(self, draft: JobDraft, job: PreparedJob, sifted: Sifted) -> LongAct:
        """The same for a job whose rows are checked already. Their files need not be where it is registered."""
        name, entered = self._ledger.named()
        if entered is not None:
            return entered
        refuse_crowd(self._ledger, LongActKind.SUBMIT)
        rows = {"sums": asdict(sifted.sums), "read_as": sifted.read_as, "refused": sifted.refused}
        kept = {"job": draft.as_json(), "sifted": {**rows, "shared": [asdict(file) for file in job.shared]}}
        self._parts.put(name, 0, json.dumps(kept).encode())
        sifted.spool.seek(0)
        number = 0
        while piece := sifted.spool.read(PART_BYTES):
            number += 1
            self._parts.put(name, number, piece.encode())
        about, where = {"name": draft.name}, {"recipients": "on the command line", **_noted(job.notes)}
        return self._ledger.start(LongActOrder(LongActKind.SUBMIT, about, where, None, sifted.good), name)

    def register(self, uploaded: UploadedJob, key: KeptKey) -> RegisteredJob | LongAct:
        """Register a job now, or have one with many rows registered. Raises as `Uploading.checked`, and `NoTaker`."""
        long = self.too_long(uploaded, key.keep)
        if long is not None:
            self._takers.require()
            return self.start(long, key.keep)
        with self._uploading.checked(uploaded, key.keep) as checked:
            return self._uploading.register(checked, key)

    def registered_as(self, operation: str) -> RegisteredJob | LongAct | None:
        """What this call has done, whose answer was lost. None if it has done nothing."""
        return self._ledger.of(operation) or self._uploading.registered_as(operation)

    def _keep(self, name: str, recipients: IO[bytes], each: Callable[[], None]) -> None:
        number = 0
        while piece := recipients.read(PART_BYTES):
            each()
            number += 1
            self._parts.put(name, number, piece)


class SubmissionWork:
    """Registers a job by the side, in the name of who asked."""

    def __init__(
        self, database: Database, source: SourceSettings, uploading: Uploading, parts: SubmittedParts, who: Actor
    ) -> None:
        self._database = database
        self._source = source
        self._uploading = uploading
        self._parts = parts
        self._who = who

    def steps(self, act: LongAct, keep: Callable[[], None]) -> LongActSteps:
        """Check every row, then write the job a chunk at a time, behind what a killed process has written.

        Raises `OperationRefused`, and `InfrastructureFailure` while S3 is away.
        """
        try:
            with self._checked(act, keep) as checked:
                return (yield from self._written(act, checked))
        except BadRows as error:
            named = [f"line {row.line}: {mask_addresses(row.what)}" for row in error.rows[:BAD_ROWS_NAMED]]
            raise SeveralErrors(error.what, named) from error
        except RenderError as error:
            raise OperationRefused(f"the job cannot be registered: {mask_addresses(error.reply)}") from error

    @contextmanager
    def _checked(self, act: LongAct, keep: Callable[[], None]) -> Iterator[CheckedJob]:
        parts = self._parts.of(act.id)
        first = next(parts, None)
        if first is None:
            raise WrongState("its file is not there any more")
        kept = json.loads(first)
        draft = JobDraft.from_json(kept["job"])
        if "sifted" in kept:
            with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
                for part in parts:
                    keep()
                    spool.write(part.decode())
                yield self._of_sifted(draft, kept["sifted"], spool)
            return
        with tempfile.TemporaryFile() as file:
            recipients: IO[bytes] | S3Reference = file
            if kept["s3"] is not None:
                recipients = S3Reference(**kept["s3"])
            for part in parts:
                keep()
                file.write(part)
            file.seek(0)
            uploaded = UploadedJob(draft, recipients, kept["encoding"], kept["delimiter"])
            with self._uploading.checked(uploaded, keep) as checked:
                yield checked

    def _of_sifted(self, draft: JobDraft, kept: Mapping[str, Any], spool: IO[str]) -> CheckedJob:
        shared = tuple(AttachmentRef(**file) for file in kept["shared"])
        job = self._uploading.prepared(draft, shared)
        return CheckedJob(job, Sifted(spool, Sums(**kept["sums"]), kept["read_as"], kept["refused"], None))

    def _written(self, act: LongAct, checked: CheckedJob) -> LongActSteps:
        job, sifted, rows = checked.job, checked.sifted, JobRows(self._source)
        if not sifted.good:
            raise WrongState("there is no row to register")

        def begin(c: Connection) -> int:
            rows.begin(c, job.row, job.shared)
            return 0

        def release(c: Connection) -> int:
            noted = replace(submission(rows.job_id, job, sifted), operation=act.id)
            rows.release(c, lambda c: note(c, self._who, noted))
            return 0

        if not act.after:
            yield LongActChunk(BEGUN, 0, begin, sifted.good, lambda: {"job": str(rows.job_id)})
        else:
            there = int((act.result or {})["job"])
            self._database.run(lambda c: rows.go_on(c, there, act.done))
        yield from _emails(rows, sifted, act.done)
        if act.after != REGISTERED:
            yield LongActChunk(REGISTERED, 0, release)
        skipped = {"skipped": sifted.refused} if sifted.refused else {}
        return {"job": str(rows.job_id), "emails": sifted.good, **skipped}


def _noted(notes: Sequence[str]) -> dict[str, str]:
    return {"note": " ".join(notes)} if notes else {}


def _emails(rows: JobRows, sifted: Sifted, done: int) -> Iterator[LongActChunk]:
    """The emails behind the first `done`."""
    in_file = 0
    for chunk in sifted.chunks():
        in_file += len(chunk)
        if in_file > done:
            added = _Added(rows, chunk)
            yield LongActChunk(str(in_file), len(chunk), added.work)
            rows.added(added.last_id, len(chunk))


class _Added:
    """Enters some emails. A run that is rolled back is followed by another one."""

    def __init__(self, rows: JobRows, recipients: Sequence[Recipient]) -> None:
        self._rows = rows
        self._recipients = recipients
        self.last_id = 0

    def work(self, c: Connection) -> int:
        self.last_id = self._rows.add(c, self._recipients)
        return len(self._recipients)
