"""The worker's side of the archive: a copy of each email in the spool, before the wire.

Nothing here stops an email, but a database that is gone. A copy that cannot be kept is counted and logged.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from eed_delivery.archive.names import DRAFT, ON_WIRE, CopyName
from eed_delivery.archive.spool import Spool
from eed_delivery.model import Email
from eed_delivery.runtime import failpoints

log = structlog.get_logger(__name__)

AGAIN_SECONDS = 60.0
"""Seconds between two lines about copies that are not kept."""
FULL = "the spool is full (archive.spool_max_bytes)"


@dataclass(slots=True)
class KeptCopy:
    """One copy in the spool, while its email is on its way. No call raises: the email's answer stands."""

    spool: Spool
    name: CopyName
    ending: str = DRAFT

    def put_on_wire(self) -> None:
        """The email has the wire."""
        try:
            self.spool.put_on_wire(self.name)
            self.ending = ON_WIRE
        except OSError as error:  # the ledger's record of the answer says as much
            log.warning("archive_copy_not_marked", **_facts(self.name), reason=str(error))
        failpoints.reach("archive.marked")

    def drop(self) -> None:
        """The email was not accepted."""
        try:
            self.spool.drop(self.name, self.ending)
        except OSError as error:  # the archiver removes it, by what the ledger says
            log.warning("archive_copy_not_removed", **_facts(self.name), reason=str(error))


class Copies:
    """Keeps copies for the workers of one process. Safe for many threads."""

    def __init__(self, spool: Spool, want: Callable[[int], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`want` notes in the ledger that a job's copies are wanted: once a job and process. It may raise
        `DatabaseGone`."""
        self._spool = spool
        self._want = want
        self._clock = clock
        self._wanted: set[int] = set()
        self._lost = LostCopies(clock)

    def keep(self, email: Email, sha256: bytes, content: bytes) -> KeptCopy | None:
        """Write a copy that is not on the wire yet; None if none can be kept. Raises `DatabaseGone`."""
        if email.job_id not in self._wanted:
            self._want(email.job_id)
            self._wanted.add(email.job_id)
        name = CopyName(email.job_id, email.email_id, email.gen, email.token, sha256.hex())
        try:
            kept = self._spool.write(name, content)
        except OSError as error:
            self._lost.add(email, str(error))
            return None
        failpoints.reach("archive.drafted")
        if kept:
            return KeptCopy(self._spool, name)
        self._lost.add(email, FULL)
        return None


class LostCopies:
    """Logs emails whose copy could not be kept, once a minute with how many there were."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._told_at = float("-inf")

    def add(self, email: Email, reason: str) -> None:
        """One more."""
        with self._lock:
            self._count += 1
            now = self._clock()
            if now - self._told_at < AGAIN_SECONDS:
                return
            self._told_at, count, self._count = now, self._count, 0
        log.error("archive_copy_not_kept", **email.log_facts(), count=count, reason=reason)


def _facts(name: CopyName) -> dict[str, object]:
    return {"job_id": name.job_id, "email_id": name.email_id, "gen": name.gen}
