"""The reconciliation certificate, with sums over a report's rows that must come out even, and the rows' SHA-256.

Everything is counted from the very rows that are handed out, and compared with the ledger's own counts. These are taken
when the last row has been read, so a job that changes meanwhile does not balance yet. Who is given both can check them
with docs/check_certificate.py, which has no line in common with this.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.manifests import JobManifest
from eed_delivery.ledger.proofs import NO_PROOF, Proof
from eed_delivery.ledger.reporting import NO_WORD_YET, EmailReport, JobReport, RefusalReport
from eed_delivery.ledger.tracking.engagement import Engagement, JobEngagement
from eed_delivery.model import OPEN_STATES, EmailState
from eed_delivery.reports.rows import ENGAGEMENT_COLUMNS, CsvRows, text_cell, utc

FORMAT = "eed-delivery reconciliation certificate"
VERSION = 4
"""1 and 2 (with engagement) have no refused rows and no sum of what was found. 3 has no digests of what was sent.
docs/check_certificate.py knows all."""
ENDED = (EmailState.SENT, EmailState.FAILED, EmailState.SUPPRESSED, EmailState.CANCELLED, EmailState.IN_DOUBT)


CONTENT_RULE = 'SHA-256 of a line "<sha256>  <email>" with LF for each sent row that has a sha256, in order'
"""docs/cli.md says it with an example. The lines are those of sha256sum(1)."""


@dataclass(frozen=True, slots=True)
class SentContent:
    """The digests of what was sent, as one. `emails`: sent emails whose digest is known; `archived`: those of which the
    archive has a copy."""

    emails: int = 0
    sha256: str = hashlib.sha256().hexdigest()
    archived: int = 0


@dataclass(frozen=True, slots=True)
class Certificate:
    """`states` and `outcomes` are counts of rows. The outcomes are those of the sent emails. `read_from` and `read_to`
    are the database's time when the first and the last row were read. `engagement` is how many emails were opened or
    clicked in, where the rows say so. It is in no sum. `refused` are the lines of refused rows, in no state.
    `manifests` are those of its files."""

    job: JobReport
    rows: int
    states: dict[EmailState, int]
    outcomes: dict[str, int]
    outcomes_of_others: int
    sha256: str
    read_from: datetime
    read_to: datetime
    refused: int = 0
    engagement: JobEngagement | None = None
    content: SentContent = SentContent()
    manifests: tuple[JobManifest, ...] = ()

    @property
    def open(self) -> int:
        """Emails that have not ended."""
        return sum(self.states[state] for state in OPEN_STATES)

    @property
    def balanced(self) -> bool:
        """All rows of the source are accounted for and all emails are there, each has ended, and nothing changed while
        they were read."""
        return self.job.balanced and not self.changed and self.rows == self.job.total and self.accounted

    @property
    def accounted(self) -> bool:
        """Whether every row found became something (G1), and each refused one has its line."""
        return self.job.accounted and self.refused == self.job.refused

    @property
    def changed(self) -> bool:
        """Whether the ledger's counts are not those of the rows any more."""
        return self.job.counts != self.states

    @property
    def archive(self) -> dict[str, Any] | None:
        """How many sent emails the archive has; None where no copies are wanted."""
        if not self.job.archive:
            return None
        sent, archived = self.states[EmailState.SENT], self.content.archived
        return {"archived": archived, "missing": sent - archived, "complete": sent == archived}

    @property
    def verdict(self) -> str:
        return "BALANCED" if self.balanced else "NOT BALANCED YET"

    @property
    def sums(self) -> tuple[str, str, str]:
        """The three sums, in words."""
        parts = [f"{self.states[state]} {state}" for state in ENDED] + ([f"{self.open} open"] if self.open else [])
        outcomes = [f"{count} {outcome}" for outcome, count in self.outcomes.items()]
        sent, job = self.states[EmailState.SENT], self.job
        return (
            f"{self.rows} = {' + '.join(parts)}",
            f"{sent} sent = {' + '.join(outcomes)}",
            f"{job.found} found = {job.total} enlisted + {job.moved} moved + {job.regenerated} regenerated"
            f" + {job.refused} refused{f' - {job.resent} resent' if job.resent else ''}",
        )

    @property
    def reconciled(self) -> str:
        """Whether the source was compared with the ledger row by row, and what that came to, in words."""
        at, differences = self.job.reconciled_at, self.job.differences
        if at is None or differences is None:
            return "not reconciled with the source"
        if self.job.finished_at is not None and at < self.job.finished_at:
            return "not reconciled with the source since it finished"
        found = "1 difference" if differences == 1 else f"{differences:,} differences"
        return f"reconciled with the source at {utc(at)}: {found}"

    def as_json(self) -> dict[str, Any]:
        """The certificate's JSON. Fields that most jobs lack come last."""
        more: dict[str, Any] = {"resent": self.job.resent} if self.job.resent else {}
        more |= {"manifests": [_manifest(one) for one in self.manifests]} if self.manifests else {}
        return {
            "format": FORMAT,
            "version": VERSION,
            "verdict": self.verdict,
            "job": self.job.key,
            "name": self.job.name,
            "state": self.job.state,
            "registered_at": utc(self.job.created_at),
            "finished_at": utc(self.job.finished_at) or None,
            "read_from": utc(self.read_from),
            "read_to": utc(self.read_to),
            "all_enlisted": self.job.enlisted,
            "reconciled": self.reconciled,
            "reconciled_at": utc(self.job.reconciled_at) or None,
            "source_differences": self.job.differences,
            "changed_while_read": self.changed,
            "rounds": self.job.rounds,
            "found": self.job.found,
            "total": self.job.total,
            "moved": self.job.moved,
            "regenerated": self.job.regenerated,
            "refused": self.job.refused,
            "rows": self.rows,
            "states": dict(self.states),
            "open": self.open,
            "refused_rows": self.refused,
            "outcomes_of_sent": self.outcomes,
            "outcomes_of_others": self.outcomes_of_others,
            "content": {
                "rule": CONTENT_RULE,
                "emails": self.content.emails,
                "without": self.states[EmailState.SENT] - self.content.emails,
                "sha256": self.content.sha256,
            },
            "archive": self.archive,
            "sums": list(self.sums),
            "sha256": self.sha256,
        } | (more if self.engagement is None else {**more, "engagement": asdict(self.engagement)})


class Reconciliation:
    """Counts and hashes a report's rows as they go by. `header` is the CSV's first line, which is hashed too."""

    def __init__(self, *, with_engagement: bool = False) -> None:
        self._rows = CsvRows()
        self._engaged: Counter[str] | None = Counter() if with_engagement else None
        self.header = self._rows.header(with_engagement)
        self._hash = hashlib.sha256(self.header)
        self._states: Counter[EmailState] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._of_others = 0
        self._refused = 0
        self._content = hashlib.sha256()
        self._known = 0
        self._archived = 0

    def row(self, email: EmailReport, engagement: Engagement | None = None, proof: Proof = NO_PROOF) -> bytes:
        """An email's line of the CSV, once it is counted and hashed. `engagement` is needed where it is in the rows."""
        self._states[email.state] += 1
        if email.state is EmailState.SENT:
            self._outcomes[email.outcome or NO_WORD_YET] += 1
            self._prove(email, proof)
        elif email.outcome is not None:
            self._of_others += 1
        if self._engaged is not None and engagement is not None:
            self._engaged.update(name for name in ENGAGEMENT_COLUMNS if getattr(engagement, name))
        line = self._rows.row(email, engagement, proof)
        self._hash.update(line)
        return line

    def _prove(self, email: EmailReport, proof: Proof) -> None:
        self._archived += proof.archived_at is not None
        if proof.sha256 is not None:
            self._known += 1
            self._content.update(f"{proof.sha256}  {text_cell(email.key)}\n".encode())

    def refusal(self, refusal: RefusalReport) -> bytes:
        """A refused row's line of the CSV, once it is counted and hashed. They come behind the emails."""
        self._refused += 1
        line = self._rows.refusal(refusal, self._engaged is not None)
        self._hash.update(line)
        return line

    def certificate(
        self, job: JobReport, read_from: datetime, read_to: datetime, manifests: Sequence[JobManifest] = ()
    ) -> Certificate:
        """The result. `job` and its `manifests` are read after the last row."""
        engaged = self._engaged
        return Certificate(
            job=job,
            rows=self._states.total(),
            states={state: self._states[state] for state in EmailState},
            outcomes={name: self._outcomes[name] for name in (*DeliveryOutcome, NO_WORD_YET)},
            outcomes_of_others=self._of_others,
            sha256=self._hash.hexdigest(),
            read_from=read_from,
            read_to=read_to,
            refused=self._refused,
            engagement=JobEngagement(*(engaged[name] for name in ENGAGEMENT_COLUMNS)) if engaged is not None else None,
            content=SentContent(self._known, self._content.hexdigest(), self._archived),
            manifests=tuple(manifests),
        )


def _manifest(one: JobManifest) -> dict[str, Any]:
    """A manifest, as far as its partner and an auditor can check it."""
    put: dict[str, Any] = {"path": one.path, "files": one.files, "size": one.size, "sha256": one.sha256}
    put |= {"unlisted": one.unlisted} if one.unlisted else {}
    facts = {"number": one.number, "channel": one.channel, "put_at": utc(one.put_at) or None}
    return {**facts, **(put if one.put_at is not None else dict.fromkeys(put))}
