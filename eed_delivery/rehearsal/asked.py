"""What the processes of a rehearsal are asked for."""

from dataclasses import dataclass, replace

from eed_delivery.model import Job


@dataclass(frozen=True, slots=True)
class RowToLookAt:
    """A row of the source. `email_id` is the ledger's number of it, or one that only the rehearsal knows."""

    email_id: int
    key: str
    recipient: str


@dataclass(frozen=True, slots=True)
class PageToLookAt:
    """Rows of one job, to be looked at together. `secret` keys the hashes of recipients."""

    job: Job
    rows: tuple[RowToLookAt, ...]
    secret: bytes = b""

    def with_rows(self, rows: tuple[RowToLookAt, ...]) -> "PageToLookAt":
        """The same, with these rows alone."""
        return replace(self, rows=rows)


@dataclass(frozen=True, slots=True)
class SampleToMake:
    """A row whose message is wanted, as it was rehearsed."""

    job: Job
    row: RowToLookAt
