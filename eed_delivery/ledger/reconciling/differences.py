"""What can differ between the source and the ledger, in words that a person can act on."""

from dataclasses import dataclass
from enum import StrEnum

from eed_delivery.addresses import canonical
from eed_delivery.model import EmailState
from eed_delivery.source.comparing import WENT_OUT, SourceEmail


class DifferenceKind(StrEnum):
    """What differs."""

    MISSING = "missing"  # the source says "not sent yet"; the ledger neither has it nor has refused it
    GONE = "gone"  # the ledger has it; its row in the source is not there any more
    MOVED = "moved"  # its row belongs to another job in the source
    MOVED_HERE = "moved_here"  # a row that says "not sent yet" was another job's, and is this one's in the source
    STATUS = "status"  # the ledger has ended it, and the source says something else
    RECIPIENT = "recipient"  # it went to another address than the source has now
    COUNTS = "counts"  # the job's own numbers do not add up
    JOB_NOT_TAKEN_UP = "job_not_taken_up"  # ready in the source, and not in the ledger, or finished there
    JOB_GONE = "job_gone"  # in the ledger, and not in the source any more


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, with both sides and what to do.

    `job` and `email` are the source's keys. `email` is None for what is about the whole job. `repairable` means that
    `reconcile --repair` corrects it."""

    kind: DifferenceKind
    job: str
    email: str | None
    source: str
    ledger: str
    todo: str
    repairable: bool = False


@dataclass(frozen=True, slots=True)
class LedgerEmail:
    """An email as the ledger has it, as far as the source has it too."""

    email_id: int
    key: str
    job_id: int
    recipient: str
    state: EmailState


def gone(job: str, email: LedgerEmail) -> Difference:
    """The email's row is not in the source."""
    todo = "Find out who deleted it. The ledger keeps what became of it."
    if email.state not in WENT_OUT:
        todo = "It can't be sent without its row. Restore the row, or cancel the job."
    return Difference(DifferenceKind.GONE, job, email.key, "no such row", str(email.state), todo)


def moved(job: str, email: LedgerEmail, there: str) -> Difference:
    """The email's row is in another job."""
    todo = "Restore it, or make the other job ready. source.job.known_rows says what happens to known rows."
    return Difference(DifferenceKind.MOVED, job, email.key, f"in job {there}", f"{email.state} in job {job}", todo)


def moved_here(job: str, key: str, from_job: str) -> Difference:
    """A row of this job that means "not sent yet" is another job's email in the ledger."""
    todo = "Make the job ready again. source.job.known_rows says what happens to known rows."
    return Difference(DifferenceKind.MOVED_HERE, job, key, f"not sent yet in job {job}", f"in job {from_job}", todo)


def missing(job: str, key: str) -> Difference:
    """A row that means "not sent yet" is not in the ledger."""
    todo = f"eed-delivery reconcile {job} --repair enlists it."
    return Difference(DifferenceKind.MISSING, job, key, "not sent yet", "not there", todo, repairable=True)


def status(job: str, email: LedgerEmail, row: SourceEmail) -> Difference:
    """The source's status is not what the ledger has written."""
    says = f"{row.status!r}" if row.status is not None else "NULL"
    unsent = row.means is EmailState.PENDING
    written_back = unsent and email.state is EmailState.SENT
    return Difference(DifferenceKind.STATUS, job, email.key, says, str(email.state), _todo(email, unsent), written_back)


def _todo(email: LedgerEmail, unsent: bool) -> str:
    if not unsent:
        return "Find out what wrote this status. Another server may have sent it, too."
    match email.state:
        case EmailState.SENT:
            return "It was sent. eed-delivery reconcile --repair writes that back."
        case EmailState.FAILED:
            return f"It was not sent. eed-delivery requeue --email {email.key} sends it again."
        case EmailState.IN_DOUBT:
            return f"It may have arrived. Decide with eed-delivery settle --as sent (or failed) {email.key}."
        case _:
            return "It was not sent, and this job won't send it. Correct the status, or put the row into a new job."


def address(job: str, email: LedgerEmail, row: SourceEmail) -> Difference:
    """The email went to another address than the source has now."""
    todo = "If the new address is right, the recipient has not received it. Register it in a new job."
    return Difference(DifferenceKind.RECIPIENT, job, email.key, row.recipient, email.recipient, todo)


def counts(job: str, expected: str, found: str) -> Difference:
    """The job's own numbers do not add up. `expected` is counted from the rows, `found` is what the job says."""
    todo = f"eed-delivery reconcile {job} --repair corrects them."
    return Difference(DifferenceKind.COUNTS, job, None, expected, found, todo, repairable=True)


def job_gone(job: str) -> Difference:
    """The job's row is not in the source."""
    todo = "Find out who deleted it. Pending emails can't be sent without it. Restore it, or cancel the job."
    return Difference(DifferenceKind.JOB_GONE, job, None, "no such row", "there", todo)


def job_not_taken_up(job: str, *, again: bool) -> Difference:
    """The job is ready in the source, and no publisher has registered it, or begun its next round."""
    todo = "Start the publisher, or check its log. It picks up each job that is ready."
    there = "finished before" if again else "not there"
    return Difference(DifferenceKind.JOB_NOT_TAKEN_UP, job, None, "ready", there, todo)


def same_address(one: str, other: str) -> bool:
    """Whether two spellings are one address."""
    return one == other or (canonical(one) is not None and canonical(one) == canonical(other))
