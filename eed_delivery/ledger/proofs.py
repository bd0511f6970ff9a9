"""What was sent: the SHA-256 of each email's content, and when the archive had its copy."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.reporting import EmailReport
from eed_delivery.ledger.schema import eed_archive_copy, eed_attempt
from eed_delivery.model import EmailState

PAGE = 1000
DIGESTS = (
    select(eed_attempt.c.email_id, eed_attempt.c.gen, eed_attempt.c.sha256)
    .where(eed_attempt.c.email_id.in_(bindparam("ids", expanding=True)), eed_attempt.c.sha256.is_not(None))
    .order_by(eed_attempt.c.attempt_id)
)
_c = eed_archive_copy.c
COPIES = select(_c.email_id, _c.gen, _c.sha256, _c.archived_at).where(
    _c.job_id.in_(bindparam("jobs", expanding=True)), _c.email_id.in_(bindparam("ids", expanding=True))
)
_MAY_HAVE_ARRIVED = frozenset({EmailState.SENT, EmailState.IN_DOUBT})
Beside = TypeVar("Beside")


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of the content of an email that was sent, or may have been, in its present generation.

    `sha256`: of the bytes that were handed to the transport, in hexadecimal. None: it is not on record, because a
    former release sent the email, or its worker died on the wire. `archived_at`: when the archive had its copy (UTC).
    """

    sha256: str | None = None
    archived_at: datetime | None = None


NO_PROOF = Proof()


class ProofLedger:
    """Read-only questions to the ledger. Each raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_email(self, email: EmailReport) -> Proof:
        """One email's."""
        return self._database.run(lambda c: _of(c, [email])).get(email.email_id, NO_PROOF)

    def beside(
        self, emails: Iterable[tuple[EmailReport, Beside]], page: int = PAGE
    ) -> Iterator[tuple[EmailReport, Beside, Proof]]:
        """Each email, and what came with it, with its own, a page at a time."""
        coming = iter(emails)
        while some := list(islice(coming, page)):
            found = self._found([email for email, _ in some])
            yield from ((email, other, found.get(email.email_id, NO_PROOF)) for email, other in some)

    def _found(self, emails: Sequence[EmailReport]) -> dict[int, Proof]:
        return self._database.run(lambda c: _of(c, emails))


def _of(c: Connection, emails: Sequence[EmailReport]) -> dict[int, Proof]:
    """The last digest counts: a try after a doubt may have another one."""
    gens = {email.email_id: email.gen for email in emails if email.state in _MAY_HAVE_ARRIVED}
    if not gens:
        return {}
    found = {}
    for row in c.execute(DIGESTS, {"ids": list(gens)}):
        if row.gen == gens[row.email_id]:
            found[row.email_id] = Proof(row.sha256.hex())
    jobs = sorted({email.job_id for email in emails})
    for copy in c.execute(COPIES, {"jobs": jobs, "ids": list(gens)}):
        if copy.gen == gens[copy.email_id]:  # it counts for more: an email whose worker died on the wire has no other
            found[copy.email_id] = Proof(copy.sha256.hex(), copy.archived_at)
    return found
