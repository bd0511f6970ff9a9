"""What comparisons with another server came to, for people."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from eed_delivery.database.transactions import Database
from eed_delivery.errors import DeliveryFailure
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActKind
from eed_delivery.ledger.shadowing import ShadowedEmail, ShadowedJob, ShadowLedger
from eed_delivery.operations.refusals import OperationRefused, UnknownKey
from eed_delivery.operations.rehearsing.work import number_of
from eed_delivery.operations.shadowing.accepting import ShadowAcceptances
from eed_delivery.rehearsal.lookers import PageProcesses
from eed_delivery.shadow.acceptance import AcceptedDifferences
from eed_delivery.shadow.asked import BothSides, ComparedEmail, CopyPlace, PageToCompare, RowToCompare
from eed_delivery.shadow.fates import ShadowVerdict
from eed_delivery.shadow.tally import JobTally, signatures
from eed_delivery.source import Source

MOST = 50
GROUPS_SHOWN = 200


@dataclass(slots=True)
class ShadowCounts:
    """Emails by verdict. `accepted`: all of their differences are accepted."""

    same: int = 0
    accepted: int = 0
    differs: int = 0
    only_old: int = 0
    only_new: int = 0
    not_comparable: int = 0

    @property
    def emails(self) -> int:
        """All of them."""
        return self.same + self.accepted + self.differs + self.only_old + self.only_new + self.not_comparable

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs that is not accepted."""
        return self.emails == self.same + self.accepted

    def add(self, verdict: str, count: int) -> None:
        """Count some more."""
        setattr(self, verdict, getattr(self, verdict) + count)


@dataclass(slots=True)
class ShadowGroupView:
    """Emails with one kind of difference. `accepted_by` names the rule that accepts it; "": none. The first one is of
    `job` and has `email` as its key."""

    group: str
    field: str
    what: str
    count: int
    accepted_by: str
    job: str
    email: str


@dataclass(slots=True)
class ShadowJobView:
    """A job. `unsent`: emails that the old server has not sent, as they were counted last. Times are UTC."""

    key: str
    state: str
    unsent: int | None
    counts: ShadowCounts
    digest: str
    seen_at: datetime
    over_at: datetime | None
    ended_at: datetime | None


@dataclass(slots=True)
class ShadowView:
    """What a comparison came to. `accepted` is emails by the names of rules. `digest` is over all jobs.

    `stray_copies` belong to no email that was compared so far. `waits`: what cannot be read now. "": nothing.
    """

    operation: str
    state: str
    counts: ShadowCounts
    jobs: list[ShadowJobView]
    groups: list[ShadowGroupView]
    accepted: dict[str, int]
    stray_copies: int
    digest: str
    waits: str
    errors: tuple[str, ...]
    made_at: datetime
    ended_at: datetime | None


@dataclass(slots=True)
class ShadowEmailView:
    """An email that is not the same."""

    job: str
    key: str
    verdict: str
    differences: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ShadowMessages:
    """Both messages of an email: ours, and the copy of the old server's, if there is one."""

    ours: bytes
    theirs: bytes | None


class ShadowResults:
    """Reads comparisons. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        ledger: LongActLedger,
        shadows: ShadowLedger,
        acceptances: ShadowAcceptances,
        source: Source,
        reading: Callable[[], Database],
        processes: Callable[[], PageProcesses[PageToCompare, ComparedEmail]],
        audit: AuditLedger,
    ) -> None:
        self._ledger = ledger
        self._shadows = shadows
        self._acceptances = acceptances
        self._source = source
        self._reading = reading
        self._processes = processes
        self._audit = audit

    def list_all(self) -> list[LongAct]:
        """Comparisons, the newest first."""
        return [act for one in self._shadows.operations(MOST) if (act := self._ledger.of(one)) is not None]

    def newest(self) -> str:
        """The newest one. Raises `UnknownKey` without any."""
        found = self._shadows.operations(1)
        if not found:
            raise UnknownKey("the old server has not been followed yet", do="Begin with: eed-delivery shadow start")
        return found[0]

    def view(self, operation: str) -> ShadowView:
        """What one has come to so far. Raises `UnknownKey`."""
        act = self._act(operation)
        summed = _Sum(self._acceptances.now())
        jobs = [summed.job(one) for one in self._shadows.jobs(operation)]
        return ShadowView(
            operation=operation,
            state=act.state,
            counts=summed.counts,
            jobs=jobs,
            groups=summed.in_order(),
            accepted=summed.accepted,
            stray_copies=self._shadows.stray_copies(operation),
            digest=_digest(jobs),
            waits=str((act.result or {}).get("waits", "")),
            errors=act.errors,
            made_at=act.made_at,
            ended_at=act.ended_at,
        )

    def emails(
        self, operation: str, job: str | None = None, after: tuple[str, str] | None = None, limit: int = MOST
    ) -> list[ShadowEmailView]:
        """Emails that are not the same, by job and key, behind `after`. Of each kind the first ones are kept."""
        self._act(operation)
        found = self._shadows.emails(operation, job, after, limit)
        tallies = {key: self._tally(operation, key) for key in {one.job for one in found}}
        return [_email(one, tallies[one.job]) for one in found]

    def email(self, operation: str, key: str) -> ShadowEmailView:
        """One of them. Raises `UnknownKey`."""
        found = self._found(operation, key)
        return _email(found, self._tally(operation, found.job))

    def messages(self, operation: str, key: str) -> ShadowMessages:
        """Both of its messages, ours rendered from its row as it is now. To read them is in the audit.

        Raises `UnknownKey` and `OperationRefused`.
        """
        found = self._found(operation, key)
        self._audit.record(Act(ActKind.PREVIEW, object=ActObject.EMAIL, key=key))
        copies = self._shadows.copies_for(operation, key)
        places = tuple(CopyPlace(one.path, one.begin, one.length) for one in copies)
        row = RowToCompare(number_of(self._source.email_key(key)), key, "", places)
        processes = self._processes()
        try:
            job = self._reading().run(lambda c: self._source.job(c, 0, found.job, 0))
            ours, theirs = processes.answer(BothSides(job, row))
        except (DeliveryFailure, OSError) as error:
            raise OperationRefused(f"email {key} cannot be shown: {error}", which=f"email {key}") from error
        finally:
            processes.close()
        return ShadowMessages(ours, theirs)

    def _act(self, operation: str) -> LongAct:
        act = self._ledger.of(operation)
        if act is None or act.kind is not LongActKind.SHADOW:
            raise UnknownKey(f"operation {operation} is no comparison", which=f"operation {operation}")
        return act

    def _found(self, operation: str, key: str) -> ShadowedEmail:
        self._act(operation)
        found = self._shadows.email(operation, key)
        if found is None:
            what = f"email {key} is the same, was not compared, or is beyond the first ones of its kind"
            raise UnknownKey(what, which=f"email {key}")
        return found

    def _tally(self, operation: str, job: str) -> JobTally:
        found = self._shadows.job(operation, job)
        return JobTally() if found is None else JobTally.of(found.facts)


class _Sum:
    """Sums up jobs."""

    def __init__(self, rules: AcceptedDifferences) -> None:
        self._rules = rules
        self._groups: dict[str, ShadowGroupView] = {}
        self.counts = ShadowCounts()
        self.accepted: dict[str, int] = {}

    def job(self, kept: ShadowedJob) -> ShadowJobView:
        """One job, which is added."""
        tally, counts = JobTally.of(kept.facts), ShadowCounts()
        for verdict, names, count in signatures(tally.counts):
            groups = [self._group(kept.key, tally, name, count) for name in names]
            rules = {one.accepted_by for one in groups}
            is_accepted = verdict is not ShadowVerdict.SAME and bool(rules) and "" not in rules
            word = "accepted" if is_accepted else verdict.value
            for one in sorted(rules) if is_accepted else ():
                self.accepted[one] = self.accepted.get(one, 0) + count
            counts.add(word, count)
            self.counts.add(word, count)
        return ShadowJobView(
            kept.key, kept.state, kept.unsent, counts, tally.digest, kept.seen_at, kept.over_at, kept.ended_at
        )

    def _group(self, job: str, tally: JobTally, name: str, count: int) -> ShadowGroupView:
        known = tally.groups[name]
        if name not in self._groups:
            rule = self._rules.of(known["field"], known["what"])
            by = "" if rule is None else rule.name
            self._groups[name] = ShadowGroupView(name, known["field"], known["what"], 0, by, job, known["key"])
        self._groups[name].count += count
        return self._groups[name]

    def in_order(self) -> list[ShadowGroupView]:
        """Groups, those that are not accepted first, and the largest first."""
        ordered = sorted(self._groups.values(), key=lambda one: (bool(one.accepted_by), -one.count, one.what))
        return ordered[:GROUPS_SHOWN]


def _email(kept: ShadowedEmail, tally: JobTally) -> ShadowEmailView:
    known = [tally.groups[name] for name in kept.groups if name in tally.groups]
    return ShadowEmailView(kept.job, kept.key, kept.verdict, [(one["field"], one["what"]) for one in known])


def _digest(jobs: list[ShadowJobView]) -> str:
    """Of what each job came to, whatever the order in which they were compared."""
    lines = sorted(f"{job.key}\0{job.digest}" for job in jobs)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
