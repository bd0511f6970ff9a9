"""What must hold after any run: ledger, source and the mail server's own books say the same of every email."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eed_delivery.config import SourceSettings
from eed_delivery.model import END_STATES, EmailState, JobState
from tests.sink import Taken
from tests.world import World

SHOWN = 5
SUMS = ("found", "moved", "regenerated", "refused")


@dataclass(frozen=True)
class Entry:
    """One email in the ledger."""

    email_id: int
    key: str
    job_id: int
    state: str
    gen: int
    recipient: str


@dataclass(frozen=True)
class Books:
    """The three books, as they stand at one moment."""

    entries: tuple[Entry, ...]
    jobs: dict[int, dict[str, Any]]
    emails_in_source: dict[str, tuple[Any, Any]]  # status and job, by key
    jobs_in_source: dict[str, Any]  # status, by key
    taken: tuple[Taken, ...]
    source: SourceSettings
    doubted: frozenset[int] = frozenset()
    """Emails that were in doubt at some time: an attempt of theirs says so, whatever came of it."""
    refused_rows: tuple[tuple[int, str], ...] = ()
    """Rows that were refused by name: the ledger's id of the job, and the row's key. A row may come and be refused more
    than once."""
    resent: dict[int, int] = field(default_factory=dict)
    """How many emails of a job an operator has added: they have no row in the source."""
    drifted: bool = False
    """Whether others have changed the source meanwhile: rows and jobs may be gone, or in other jobs."""

    @property
    def counts(self) -> Counter[str]:
        """Emails by state."""
        return Counter(entry.state for entry in self.entries)

    @property
    def lost(self) -> list[str]:
        """Emails of which nobody knows any more: not in the ledger, not ended, or `sent` without having arrived."""
        arrived = {(t.email_id, t.gen) for t in self.taken}
        known = {e.key for e in self.entries} | {key for _, key in self.refused_rows}
        settled = {self.source.email.statuses.sent}  # before the job came to us
        lost = [
            key
            for key, (status, job) in self.emails_in_source.items()
            if key not in known and status not in settled and (str(job) in self.jobs_in_source or not self.drifted)
        ]
        lost += [e.key for e in self.entries if e.state not in END_STATES]
        return lost + [e.key for e in self.entries if e.state == "sent" and (e.email_id, e.gen) not in arrived]

    @property
    def sent_twice(self) -> list[int]:
        """Emails that arrived more than once, whatever the generation."""
        return [email_id for email_id, n in Counter(t.email_id for t in self.taken).items() if n > 1]

    def violations(self, *, twice_is_possible: bool = False) -> list[str]:
        """Everything that must not be, in words; `twice_is_possible` where an operator has accepted duplicates."""
        found: dict[str, Sequence[str | int]] = {
            "lost": self.lost,
            "sent twice": [] if twice_is_possible else self.sent_twice,
            "arrived, but the ledger says otherwise": self._denied(),
            "arrived at somebody else": self._astray(),
            "the source's status is not the ledger's": self._disagreeing(),
            "the job does not add up": self._unbalanced(),
            "what was found is not what became of it": self._unequal(),
        }
        return [f"{what}: {len(which)}, as {sorted(which, key=str)[:SHOWN]}" for what, which in found.items() if which]

    def _denied(self) -> list[str]:
        states = {e.email_id: e.state for e in self.entries}
        may = {EmailState.SENT, EmailState.IN_DOUBT}
        arrived = {t.email_id for t in self.taken}
        return [f"{i} is {states.get(i, 'unknown')}" for i in arrived if states.get(i) not in may]

    def _astray(self) -> list[str]:
        recipients = {e.email_id: e.recipient for e in self.entries}
        return [f"{t.email_id} to {t.recipient}" for t in self.taken if recipients.get(t.email_id) != t.recipient]

    def _disagreeing(self) -> list[str]:
        words = self.source.email.statuses.model_dump()
        statuses = {key: status for key, (status, _) in self.emails_in_source.items()}
        # A row that came again and was refused says so. One that is gone, or whose job is, says nothing.
        refused = {key for _, key in self.refused_rows}
        said = [e for e in self.entries if e.key not in refused and not self._is_gone(e.key)]
        wrong = [e for e in said if e.state in END_STATES and statuses[e.key] != words[e.state]]
        return [f"{e.key} is {e.state}, the source says {statuses[e.key]!r}" for e in wrong]

    def _is_gone(self, key: str) -> bool:
        _, job = self.emails_in_source.get(key, (None, None))
        return self.drifted and str(job) not in self.jobs_in_source

    def _unbalanced(self) -> list[str]:
        rows = Counter(e.job_id for e in self.entries)
        wrong = []
        for job_id, job in self.jobs.items():
            if rows[job_id] != job["total"]:
                wrong.append(f"{job_id} has {rows[job_id]} emails of {job['total']}")
            if job["finished_at"] is None:
                wrong.append(f"{job_id} is not finished")
            elif self.drifted and job["source_key"] not in self.jobs_in_source:
                continue
            elif not self.source.single_table and not self._says_so(job):
                wrong.append(f"{job_id} is {job['state']}, the source says {self.jobs_in_source[job['source_key']]!r}")
        if not self.source.single_table and not self.drifted:
            emails = Counter(str(job) for _, job in self.emails_in_source.values())
            there = {j["source_key"]: j["total"] + j["not_enlisted"] for j in self.jobs.values()}
            wrong += [
                f"{key}: {n} in the source, {there[key]} known" for key, n in emails.items() if n != there.get(key)
            ]
        return wrong

    def _unequal(self) -> list[str]:
        """Jobs for which found = total + moved + regenerated + refused does not hold, or not each refused row is named
        (G1)."""
        named = Counter(job_id for job_id, _ in self.refused_rows)
        wrong = []
        for job_id, job in self.jobs.items():
            found, parts = job["found"], {name: job[name] for name in ("total", "moved", "regenerated", "refused")}
            if found != sum(parts.values()) - self.resent.get(job_id, 0):
                wrong.append(f"{job_id} found {found}, and has {parts}")
            if named[job_id] != job["refused"]:
                wrong.append(f"{job_id} has refused {job['refused']}, and {named[job_id]} are named")
        return wrong

    def _says_so(self, job: dict[str, Any]) -> bool:
        words = self.source.job.statuses.model_dump()
        word: Any = words.get(JobState(job["state"]))
        return bool(self.jobs_in_source[job["source_key"]] == word)


def open_books(world: World, source: SourceSettings, taken: Sequence[Taken]) -> Books:
    """Read everything, with plain SQL of our own."""
    entries = world.execute(
        "SELECT email_id, COALESCE(source_key, email_id), job_id, state, gen, recipient FROM eed_email"
    )
    names = ("job_id", "source_key", "state", "total", "not_enlisted", "finished_at", *SUMS)
    jobs = [dict(zip(names, row, strict=True)) for row in world.execute(f"SELECT {', '.join(names)} FROM eed_job")]
    refused = world.execute("SELECT job_id, source_key FROM eed_refusal WHERE job_id IS NOT NULL")
    resent = world.execute("SELECT job_id, COUNT(*) FROM eed_email WHERE resend_of IS NOT NULL GROUP BY job_id")
    doubted = world.execute("SELECT DISTINCT email_id FROM eed_attempt WHERE verdict = 'in_doubt'")
    e, j = source.email, source.job
    job_of_email = e.id if source.single_table else e.job_id
    emails = world.execute(f"SELECT `{e.id}`, `{e.status}`, `{job_of_email}` FROM `{e.table}`")
    source_jobs = [] if source.single_table else world.execute(f"SELECT `{j.id}`, `{j.status}` FROM `{j.table}`")
    return Books(
        entries=tuple(Entry(row[0], str(row[1]), *row[2:]) for row in entries),
        jobs={job["job_id"]: job for job in jobs},
        emails_in_source={str(key): (status, job) for key, status, job in emails},
        jobs_in_source={str(key): status for key, status in source_jobs},
        taken=tuple(taken),
        source=source,
        doubted=frozenset(row[0] for row in doubted),
        refused_rows=tuple((job_id, str(key)) for job_id, key in refused),
        resent=dict(resent),
    )
