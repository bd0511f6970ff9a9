"""Follows the old server by the side: its jobs as it takes them, and their emails once it is through with them.

It reads the source over sessions that the server lets write nothing. Each page and its cursor are one transaction, so a
process that is killed is followed by one that goes on behind it.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection

from eed_delivery.config import ShadowSettings
from eed_delivery.database.transactions import Database
from eed_delivery.errors import InfrastructureFailure, RenderError, Throttled
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActChunk
from eed_delivery.ledger.rehearsing import RehearsalLedger
from eed_delivery.ledger.shadowing import ShadowedEmail, ShadowedJob, ShadowJobState, ShadowLedger
from eed_delivery.model import Job
from eed_delivery.operations.long_acts.runner import LetsOthersFirst, LongActSteps
from eed_delivery.operations.refusals import OperationRefused
from eed_delivery.operations.shadowing.orders import DAY_SECONDS, ShadowRequest, senders_alive
from eed_delivery.operations.shadowing.pages import JobPages, PageSources, ShadowPage
from eed_delivery.operations.shadowing.scanning import EARLIER_SECONDS, new_copies
from eed_delivery.rehearsal.lookers import PageProcesses
from eed_delivery.shadow.asked import ComparedEmail, PageToCompare, RowToCompare
from eed_delivery.shadow.copies import CopyFolder
from eed_delivery.shadow.fates import LogFate, NewFate, NewSide, OldSide, judged, old_fate
from eed_delivery.shadow.relay_logs import LogFinding
from eed_delivery.shadow.tally import JobTally
from eed_delivery.source import Source
from eed_delivery.source.comparing import SourceEmail

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
"""How often the unsent emails of a job that is followed are counted."""
_NOTHING = LogFinding(LogFate.NOTHING)


@dataclass(frozen=True, slots=True)
class ShadowParts:
    """What a comparison is done with. `pages.reading` cannot write. `processes` starts some, when they are needed.

    `refuse_writer` raises where the user that reads could write.
    """

    shadows: ShadowLedger
    rehearsals: RehearsalLedger
    source: Source
    pages: PageSources
    processes: Callable[[], PageProcesses[PageToCompare, ComparedEmail]]
    settings: ShadowSettings
    refuse_writer: Callable[[], None]
    file_channels: Callable[[], Collection[str]]

    @property
    def reading(self) -> Database:
        """The source, over sessions that can write nothing."""
        return self.pages.reading()


class ShadowWork:
    """Compares, in whoever's name."""

    def __init__(self, parts: ShadowParts) -> None:
        self._parts = parts

    def steps(self, act: LongAct, keep: Callable[[], None]) -> LongActSteps:
        """Follow jobs, and compare those that are over.

        Raises `OperationRefused`, and `LetsOthersFirst` where there is nothing to do now. So it does while copies, logs
        or attachments cannot be read: a mount that is away for a night ends no comparison of a week.
        """
        if roles := self._parts.shadows.senders():
            raise senders_alive(tuple(roles))
        run = _Follower(self._parts, act, keep)
        try:
            yield from run.chunks()
        except (InfrastructureFailure, Throttled) as error:
            log.warning("shadow_waits", operation=act.id, reason=str(error))
            yield run.rest(str(error))
            raise LetsOthersFirst from error
        finally:
            run.close()
        if not run.is_over:
            if act.tries > 1 or (act.result or {}).get("waits"):
                yield run.rest()  # what killed a process here did so while nothing was to be done
            raise LetsOthersFirst
        return run.so_far()


class _Follower:
    """One process's part of a comparison."""

    def __init__(self, parts: ShadowParts, act: LongAct, keep: Callable[[], None]) -> None:
        self._parts = parts
        self._act = act
        self._keep = keep
        self._request = ShadowRequest.of(act)
        self._number = int(act.after or 0)
        self._emails = act.done
        self._began = time.time() - parts.shadows.age(act.id)
        self._processes: PageProcesses[PageToCompare, ComparedEmail] | None = None
        self._waits = ""
        self.is_over = False

    def close(self) -> None:
        """End its processes."""
        if self._processes is not None:
            self._processes.close()

    def rest(self, why: str = "") -> LongActChunk:
        """Nothing, and what it waits for."""
        self._waits = why
        return self._chunk(lambda _: None)

    def so_far(self) -> Mapping[str, Any]:
        """How far it has come. `waits`: what cannot be read now."""
        states = self._parts.shadows.states(self._act.id)
        followed = states.get(ShadowJobState.FOLLOWED, 0) + states.get(ShadowJobState.OVER, 0)
        compared = states.get(ShadowJobState.DONE, 0)
        found = {"jobs": sum(states.values()), "compared": compared, "followed": followed, "emails": self._emails}
        return {**found, "waits": self._waits} if self._waits else found

    def chunks(self) -> Iterator[LongActChunk]:
        """New jobs, what became of those that are followed, and pages of those that are over."""
        yield from self._new_jobs()
        ends = not self._request.jobs and self._parts.shadows.age(self._act.id) >= self._request.days * DAY_SECONDS
        for job in self._jobs(ShadowJobState.FOLLOWED):
            yield from self._look(job, last=ends)
        due = [job for job in self._jobs(ShadowJobState.OVER) if self._has_settled(job)]
        if due:
            self._refuse()
            yield from self._scan()
        for job in due:
            yield from self._compare(job)
        going_on = self._jobs(ShadowJobState.FOLLOWED, ShadowJobState.OVER)
        self.is_over = not going_on and (ends or bool(self._request.jobs))

    def _jobs(self, *states: ShadowJobState) -> list[ShadowedJob]:
        self._keep()
        return self._parts.shadows.jobs(self._act.id, states)

    def _chunk(self, work: Callable[[Connection], None], seen: int = 0) -> LongActChunk:
        self._number += 1

        def done(c: Connection) -> int:
            work(c)
            return seen

        self._emails += seen
        found = self.so_far()
        return LongActChunk(str(self._number), seen, done, result=lambda: found)

    def _refuse(self) -> None:
        self._parts.refuse_writer()
        if missing := self._parts.rehearsals.unknown_keys():
            keys = ", ".join(sorted(missing))
            what = f"the suppression list has hashed addresses of the key {keys}, which is not set"
            raise OperationRefused(what, which="privacy.secret")

    def _new_jobs(self) -> Iterator[LongActChunk]:
        """Jobs that the old server has taken since the last look."""
        following, request = self._parts.pages.following, self._request
        found, known = list(request.jobs), self._parts.shadows.job_keys(self._act.id)
        if not request.jobs:
            beyond = self._act.parameters["beyond"]
            at = None if beyond is None else following.job_key(beyond)
            opened = set(self._parts.shadows.facts(self._act.id).get("open", ())) - known
            found = self._parts.reading.run(lambda c: following.taken(c, at, opened))
        if new := [key for key in found if key not in known]:
            over = bool(request.jobs)
            yield self._chunk(lambda c: self._parts.shadows.follow(c, self._act.id, new, over=over))
            log.info("shadow_jobs_followed", operation=self._act.id, jobs=new[:20], count=len(new))

    def _look(self, job: ShadowedJob, *, last: bool) -> Iterator[LongActChunk]:
        """Whether the old server is through with a job. `last`: it is not waited for any more."""
        ready = self._parts.reading.run(lambda c: self._parts.pages.following.are_ready(c, [job.key]))
        is_over = not ready.get(job.key, False)
        if not is_over and not last and job.looked_ago < LOOK_SECONDS:
            return
        unsent = self._parts.reading.run(lambda c: self._parts.source.unsent_count(c, job.key))
        moved = unsent != job.unsent
        is_over = is_over or not unsent or (not moved and job.moved_ago >= self._parts.settings.patience_seconds)
        if last and not is_over:
            yield self._chunk(self._ending(job, ShadowJobState.LEFT))
            return
        shadows = self._parts.shadows
        yield self._chunk(lambda c: shadows.looked(c, self._act.id, job.key, unsent, moved=moved, over=is_over))

    def _has_settled(self, job: ShadowedJob) -> bool:
        """Whether its copies and the log have had their time to arrive."""
        return bool(self._request.jobs) or (job.over_ago or 0.0) >= self._parts.settings.settle_seconds

    def _ending(self, job: ShadowedJob, state: ShadowJobState) -> Callable[[Connection], None]:
        return lambda c: self._parts.shadows.end_job(c, self._act.id, job.key, state)

    def _scan(self) -> Iterator[LongActChunk]:
        """Enter copies that came since the last look."""
        shadows, operation = self._parts.shadows, self._act.id
        folders = [CopyFolder(one.path, one.kind, one.key) for one in self._parts.settings.copies]
        since = 0.0 if self._request.jobs else self._began - EARLIER_SECONDS
        facts = shadows.facts(operation)
        for copies, states in new_copies(folders, facts.get("copies", {}), since, self._keep):

            def work(c: Connection, copies: Any = copies, states: Any = states) -> None:
                shadows.put_copies(c, operation, copies)
                if not copies:
                    shadows.put_facts(c, operation, {**facts, "copies": states})

            yield self._chunk(work)

    def _compare(self, job: ShadowedJob) -> Iterator[LongActChunk]:
        shared = self._shared(job.key)
        if shared is None:
            yield self._chunk(self._ending(job, ShadowJobState.LEFT))
            return
        self._processes = self._processes or self._parts.processes()
        since = 0.0 if self._request.jobs else self._began - EARLIER_SECONDS
        pages = JobPages(self._parts.pages, self._act.id, shared, since)
        tally, ahead = JobTally.of(job.facts), deque[ShadowPage]()

        def asked() -> Iterator[PageToCompare]:
            for page in pages.behind(job.after, self._keep):
                ahead.append(page)
                yield page.asked

        for _, compared in self._processes.looked(asked(), self._keep):
            page = ahead.popleft()
            yield self._chunk(self._put(job, page, tally, compared), len(compared))
        yield self._chunk(self._ending(job, ShadowJobState.DONE))
        log.info("shadow_job_compared", operation=self._act.id, job=job.key, counts=_by_verdict(tally))

    def _shared(self, key: str) -> Job | None:
        """What its emails share. None where its row has gone, or where it puts files."""
        source = self._parts.source
        try:
            job = self._parts.reading.run(lambda c: source.job(c, 0, key, 0))
        except RenderError as error:
            log.warning("shadow_job_left", operation=self._act.id, job=key, reason=error.reply)
            return None
        channel = self._parts.reading.run(lambda c: source.channel_of(c, key))
        if channel in self._parts.file_channels():
            log.warning("shadow_job_left", operation=self._act.id, job=key, reason=f"the channel {channel} puts files")
            return None
        return job

    def _put(
        self, job: ShadowedJob, page: ShadowPage, tally: JobTally, compared: list[ComparedEmail]
    ) -> Callable[[Connection], None]:
        """Count a page, and give what writes that. It may be called again, and writes the same."""
        listed = self._parts.rehearsals.suppressed({row.recipient for row in page.asked.rows}, page.asked.job.category)
        named: list[ShadowedEmail] = []
        for row, one, email in zip(page.asked.rows, compared, page.emails, strict=True):
            new = _new_side(row, one, listed)
            old = _old_side(email.row, one, page.log.get(row.email_id, _NOTHING))
            verdict = judged(old, new, one.differences)
            tally.old[old.fate] = tally.old.get(old.fate, 0) + 1
            tally.new[new.fate] = tally.new.get(new.fate, 0) + 1
            groups = tally.add(row.key, verdict)
            if groups is not None:
                named.append(ShadowedEmail(job.key, row.key, verdict.verdict, tuple(groups.split())))
        facts, used = tally.as_json(), {one.copy_id: key for key, many in page.copies.items() for one in many}
        shadows, operation, step = self._parts.shadows, self._act.id, (page.before, page.after)

        def work(c: Connection) -> None:
            shadows.advance(c, operation, job.key, step, facts, len(compared), named)
            shadows.use_copies(c, operation, used)

        return work


def _new_side(row: RowToCompare, one: ComparedEmail, listed: Collection[str]) -> NewSide:
    if one.gone:
        return NewSide(NewFate.UNKNOWN)
    if row.recipient in listed:
        return NewSide(NewFate.SUPPRESSED)
    return NewSide(NewFate.FAILED, one.failed) if one.failed else NewSide(NewFate.SENT)


def _old_side(row: SourceEmail, one: ComparedEmail, logged: LogFinding) -> OldSide:
    fate = old_fate(row.means)
    return OldSide(fate, one.copies, one.copy_problem, logged.fate, logged.queued, logged.extra)


def _by_verdict(tally: JobTally) -> dict[str, int]:
    found: dict[str, int] = {}
    for signature, count in tally.counts.items():
        verdict = signature.partition(" ")[0]
        found[verdict] = found.get(verdict, 0) + count
    return found
