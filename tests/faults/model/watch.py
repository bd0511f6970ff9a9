"""What must hold after every single step."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from eed_delivery.config import SourceSettings
from eed_delivery.model import END_STATES, TRANSITIONS, EmailState
from tests.faults.model.house import Place, Policy
from tests.faults.model.mail import TAKEN, MailServer

_ALL = (
    "SELECT j.job_id, j.state, j.total, j.finished_at IS NOT NULL,"
    " e.email_id, e.job_id, e.state, e.gen, e.token, e.attempts, e.detail, s.status"
    " FROM eed_job j LEFT JOIN eed_email e ON e.job_id = j.job_id LEFT JOIN delivery_email s ON s.id = e.email_id"
)
WORDS = SourceSettings().email.statuses.model_dump()


@dataclass(frozen=True)
class Row:
    """One email, as the ledger and the source have it."""

    email_id: int
    job_id: int
    state: EmailState
    gen: int
    token: int | None
    attempts: int
    detail: str | None
    status: str


@dataclass(frozen=True)
class JobRow:
    """One job of the ledger."""

    job_id: int
    state: str
    total: int
    finished: bool


@dataclass
class Words:
    """What the operator has taken upon himself."""

    sent: set[int] = field(default_factory=set)
    """Settled as sent."""
    failed: set[int] = field(default_factory=set)
    """Settled as failed."""
    again: set[int] = field(default_factory=set)
    """Sent again out of doubt."""

    @property
    def risked(self) -> set[int]:
        """What may arrive twice by his word."""
        return self.failed | self.again


class Watch:
    """Looks at the ledger after every step, and remembers what it saw."""

    def __init__(self, place: Place, mail: MailServer, policy: Policy) -> None:
        self._place = place
        self._mail = mail
        self._policy = policy
        self.words = Words()
        self.emails: dict[int, Row] = {}
        self.jobs: dict[int, JobRow] = {}
        self._tokens: dict[int, list[int | None]] = defaultdict(list)

    def look(self) -> None:
        """Read everything, and hold it against what was there before. Raises AssertionError."""
        found = self._place.read(_ALL)
        before, self.emails = self.emails, {row[4]: _row(row[4:]) for row in found if row[4] is not None}
        self.jobs = {row[0]: JobRow(*row[:4]) for row in found}
        assert before.keys() <= self.emails.keys(), "an email is gone from the ledger"
        for row in self.emails.values():
            if before.get(row.email_id) != row:
                self._check_change(before.get(row.email_id), row)
            self._check_sends(row)
        for job in self.jobs.values():
            self._check_job(job)

    def _check_change(self, before: Row | None, now: Row) -> None:
        if before is not None:
            assert now.gen >= before.gen, f"the generation went back: {before} became {now}"
            possible = now.gen > before.gen or now.state in _reachable(before.state)
            assert possible, f"no such transition: {before} became {now}"
        self._check_token(now)
        if now.state in END_STATES:
            assert now.status == WORDS[now.state], f"the source does not say so: {now}"

    def _check_token(self, now: Row) -> None:
        seen = self._tokens[now.email_id]
        if now.token is None or (seen and seen[-1] == now.token):
            return
        assert now.token not in seen, f"an old token is back: {now}"
        seen.append(now.token)

    def _check_sends(self, row: Row) -> None:
        if self._policy == "hold":
            grants = [t for t in self._mail.of(row.email_id) if t.granted and not t.was_refused]
            for gen in {t.gen for t in grants}:
                of_gen = [t for t in grants if t.gen == gen]
                assert len(of_gen) < 2, f"two grants without a definite no between them (G2): {of_gen}"
            if row.email_id not in self.words.risked:
                assert self._mail.taken[row.email_id] < 2, f"sent twice: {row}, {self._mail.of(row.email_id)}"
        if row.state is EmailState.SENT and row.email_id not in self.words.sent:
            taken = any(t.answer in TAKEN for t in self._mail.of(row.email_id, row.gen))
            assert taken, f"sent, and never taken: {row}"

    def _check_job(self, job: JobRow) -> None:
        states = [row.state for row in self.emails.values() if row.job_id == job.job_id]
        assert len(states) == job.total, f"the total is not the number of rows: {job}, {states}"
        if job.finished:
            assert END_STATES.issuperset(states), f"finished, and does not balance: {job}, {states}"


def _row(row: tuple[Any, ...]) -> Row:
    email_id, job_id, state, *rest = row
    return Row(email_id, job_id, EmailState(state), *rest)


def _reachable(state: EmailState) -> Collection[EmailState]:
    """Where one transaction may take an email: a claim may end in another state at once."""
    through = TRANSITIONS[EmailState.SENDING] if EmailState.SENDING in TRANSITIONS[state] else ()
    return {state, *TRANSITIONS[state], *through}
