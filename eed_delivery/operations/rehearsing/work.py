"""Rehearses a job by the side: page by page, in the order of the keys, behind what a killed process has seen.

It reads the source over sessions that the server lets write nothing, and keeps what it sees in the ledger.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from eed_delivery.database.transactions import Database
from eed_delivery.errors import RenderError
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActChunk
from eed_delivery.ledger.rehearsing import KeptRehearsal, RehearsalLedger
from eed_delivery.model import LARGEST_KEY, Job, SourceRow
from eed_delivery.operations.long_acts.runner import LetsOthersFirst, LongActSteps
from eed_delivery.operations.refusals import OperationRefused, WrongState
from eed_delivery.operations.rehearsing.orders import RehearsalRequest
from eed_delivery.rehearsal.asked import PageToLookAt, RowToLookAt
from eed_delivery.rehearsal.branches import words_of
from eed_delivery.rehearsal.digest import template_digest
from eed_delivery.rehearsal.findings import EmailFinding, FindingKind, as_json
from eed_delivery.rehearsal.looked_at import LookedAt, packed, unpacked
from eed_delivery.rehearsal.lookers import Lookers
from eed_delivery.rehearsal.verdict import RehearsalResult, RehearsalRules, concluded
from eed_delivery.source import Source

PAGE = 250
KEYS_AT_ONCE = 2000
CONCLUDED = "concluded"
"""The cursor behind the last page."""
_SUPPRESSED = EmailFinding(FindingKind.SUPPRESSED, "the address is on the suppression list")


@dataclass(frozen=True, slots=True)
class RehearsalParts:
    """What a rehearsal is done with. `reading` cannot write. `lookers` starts so many processes, when they are needed.

    `refuse_writer` raises where the user that reads could write.
    """

    rehearsals: RehearsalLedger
    source: Source
    reading: Callable[[], Database]
    read_by_service: bool
    lookers: Callable[[int | None], Lookers]
    rules: RehearsalRules
    refuse_writer: Callable[[], None]


@dataclass(slots=True)
class _Place:
    """How far the source is read: rows that were passed, and the key of the last one."""

    passed: int = 0
    key: str | None = None

    @classmethod
    def of(cls, cursor: str) -> "_Place":
        passed, _, key = cursor.partition(":")
        return cls(int(passed), key) if passed else cls()

    @property
    def cursor(self) -> str:
        return f"{self.passed}:{self.key}"


class RehearsalWork:
    """Rehearses jobs, in whoever's name."""

    def __init__(self, parts: RehearsalParts) -> None:
        self._parts = parts

    def steps(self, act: LongAct, keep: Callable[[], None]) -> LongActSteps:
        """Look at each page, then sum up.

        Raises `OperationRefused`, `LetsOthersFirst` while emails of active jobs are to leave, and
        `InfrastructureFailure` while attachments cannot be read.
        """
        if act.after == CONCLUDED:
            return self._said(act.id)
        if must_wait(self._parts.rehearsals, act):
            raise LetsOthersFirst
        self._parts.refuse_writer()
        if missing := self._parts.rehearsals.unknown_keys():
            what = (
                f"the suppression list has hashed addresses of the key {', '.join(sorted(missing))}, which is not set"
            )
            raise OperationRefused(what, which="privacy.secret")
        lookers = self._parts.lookers(RehearsalRequest.of(act).processes)
        try:
            run = _Run(self._parts, act, keep)
            yield from run.chunks(lookers)
        finally:
            lookers.close()
        if run.waits:
            raise LetsOthersFirst
        kept = run.conclude()
        yield LongActChunk(CONCLUDED, 0, partial(_end, self._parts.rehearsals, kept))
        return self._said(act.id)

    def _said(self, operation: str) -> Mapping[str, Any]:
        kept = self._parts.rehearsals.of(operation)
        if kept is None:
            raise WrongState("what it came to is not kept any more")
        return {
            "verdict": kept.verdict,
            "looked_at": kept.looked_at,
            "rendered": kept.rendered,
            "bytes": kept.total_bytes,
            "digest": kept.digest,
            "findings": _counted((one["kind"], one["count"]) for one in kept.facts["findings"]),
        }


def _end(rehearsals: RehearsalLedger, kept: KeptRehearsal, c: Connection) -> int:
    rehearsals.end(c, kept)
    return 0


def _counted(pairs: Iterator[tuple[str, int]]) -> dict[str, int]:
    found = Counter[str]()
    for kind, count in pairs:
        found[kind] += count
    return dict(found)


class _Run:
    """One process's part of a rehearsal."""

    def __init__(self, parts: RehearsalParts, act: LongAct, keep: Callable[[], None]) -> None:
        self._parts = parts
        self._act = act
        self._keep = keep
        self._request = RehearsalRequest.of(act)
        self._job = self._read_job()
        self._place = _Place.of(act.after)
        self._cursors: deque[str] = deque()
        self._changes: list[str] = []
        self._secret = parts.rehearsals.secret(act.id)
        self._found = Counter[str]((act.result or {}).get("findings", {}))
        self._looked_at = act.done
        self.waits = False

    def _read_job(self) -> Job:
        try:
            return self._parts.reading().run(lambda c: self._parts.source.job(c, 0, self._request.job, 0))
        except RenderError as error:
            raise OperationRefused(f"job {self._request.job} cannot be rehearsed: {error.reply}") from error

    def chunks(self, lookers: Lookers) -> Iterator[LongActChunk]:
        """A chunk for each page."""
        for page, looked in lookers.looked(self._pages(), self._keep):
            emails = self._with_suppressed(page, looked)
            cursor = self._cursors.popleft()
            self._found.update(finding.kind for email in emails for finding in email.findings)
            self._looked_at += len(emails)
            yield LongActChunk(cursor, len(emails), self._put(cursor, emails), result=self._so_far)

    def _so_far(self) -> Mapping[str, Any]:
        return {"looked_at": self._looked_at, "findings": dict(self._found)}

    def _put(self, cursor: str, emails: list[LookedAt]) -> Callable[[Connection], int]:
        content, number = packed(emails), _Place.of(cursor).passed

        def work(c: Connection) -> int:
            self._parts.rehearsals.put(c, self._act.id, number, content)
            return len(emails)

        return work

    def _with_suppressed(self, page: PageToLookAt, looked: list[LookedAt]) -> list[LookedAt]:
        recipients = {row.recipient for row in page.rows}
        listed = self._parts.rehearsals.suppressed(recipients, page.job.category)
        if not listed:
            return looked
        return [
            replace(email, findings=(*email.findings, _SUPPRESSED)) if row.recipient in listed else email
            for row, email in zip(page.rows, looked, strict=True)
        ]

    def _pages(self) -> Iterator[PageToLookAt]:
        """Pages behind the cursor. What has changed since the order ends them, and emails of active jobs do for now."""
        place = replace(self._place)
        while not self._is_over(place):
            self.waits = must_wait(self._parts.rehearsals, self._act)
            if self.waits or self._is_changed():
                return
            rows = self._rows(place)
            if not rows:
                return
            chosen = []
            for row in rows:
                if place.passed % self._request.every == 0:
                    chosen.append(_to_look_at(row))
                place.passed += 1
                place.key = str(row.key)
            if chosen:
                self._cursors.append(place.cursor)
                yield PageToLookAt(self._job, tuple(chosen), self._secret)

    def _is_over(self, place: _Place) -> bool:
        return self._request.first is not None and place.passed >= self._request.first

    def _rows(self, place: _Place) -> list[SourceRow]:
        first = self._request.first
        size = PAGE if first is None else min(PAGE, first - place.passed)
        return self._parts.reading().run(lambda c: self._parts.source.unsent(c, self._job.key, place.key, size))

    def _is_changed(self) -> bool:
        if template_digest(self._read_job()) == self._act.parameters["template"]:
            return False
        self._changes.append("what its emails share (templates, sender, common attachments) changed meanwhile")
        return True

    def conclude(self) -> KeptRehearsal:
        """What it comes to. Emails that came or went meanwhile make it incomplete."""
        emails = self._parts.reading().run(lambda c: self._parts.source.unsent_count(c, self._job.key))
        if self._request.whole and not self._changes and emails != self._looked_at:
            self._changes.append(f"{self._looked_at:,} emails were looked at, and {emails:,} are not sent yet now")
        elif self._request.whole and not self._changes and not self._has_same_keys():
            self._changes.append("other emails are not sent yet now than were looked at")
        if not self._changes:
            self._is_changed()
        rules = replace(self._parts.rules, random_samples=self._request.samples, whole=self._request.whole)
        result = concluded(self._emails, rules, words_of(self._job).branches, self._changes)
        return self._kept(result, emails)

    def _has_same_keys(self) -> bool:
        """Whether the source's rows are those that were looked at: one may have come behind the cursor as another
        went."""
        seen = (email.key for email in self._emails())
        place = _Place()
        while rows := self._parts.reading().run(
            lambda c: self._parts.source.unsent(c, self._job.key, place.key, KEYS_AT_ONCE)
        ):
            if any(str(row.key) != next(seen, None) for row in rows):
                return False
            place.key = str(rows[-1].key)
        return next(seen, None) is None

    def _emails(self) -> Iterator[LookedAt]:
        for part in self._parts.rehearsals.parts(self._act.id):
            self._keep()
            yield from unpacked(part)

    def _kept(self, result: RehearsalResult, emails: int) -> KeptRehearsal:
        facts = {
            "findings": as_json(result.findings),
            "samples": [asdict(sample) for sample in result.samples],
            "changes": list(result.changes),
            "read_by_service": self._parts.read_by_service,
            "round": self._parts.rehearsals.round(self._job.key),
        }
        return KeptRehearsal(
            operation=self._act.id,
            job=self._job.key,
            verdict=result.verdict,
            whole=self._request.whole,
            digest=result.digest,
            template=str(self._act.parameters["template"]),
            emails=emails,
            looked_at=result.looked_at,
            rendered=result.rendered,
            total_bytes=result.total_bytes,
            facts=facts,
            made_at=self._act.made_at,
        )


def must_wait(rehearsals: RehearsalLedger, act: LongAct) -> bool:
    """Whether emails of active jobs are to leave first."""
    return not act.parameters.get("beside_live") and rehearsals.live(str(act.selection["job"]))


def _to_look_at(row: SourceRow) -> RowToLookAt:
    return RowToLookAt(number_of(row.key), str(row.key), row.recipient)


def number_of(key: int | str) -> int:
    """The number of an email: the source's own, or one that only rehearsals know, always the same for one key."""
    if isinstance(key, int):
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % LARGEST_KEY + 1
