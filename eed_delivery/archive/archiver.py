"""The role `archive`: takes copies from this host's spool into the archive, by what the ledger says of their emails."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice

import structlog

from eed_delivery.archive.fates import CopyFate, fate_of
from eed_delivery.archive.names import CONTENT_TYPE, CopyName
from eed_delivery.archive.spool import Spool
from eed_delivery.errors import DeliveryFailure, PermanentFailure
from eed_delivery.ledger.archiving import ArchiveLedger, StoredCopy
from eed_delivery.model import File, Files
from eed_delivery.runtime import failpoints
from eed_delivery.transports import FileTransport

log = structlog.get_logger(__name__)

BATCH = 200
"""Copies that are looked up in the ledger, and recorded there, at once."""
IDLE_SECONDS = 1.0
AWAY_SECONDS = 60.0
"""Limit: seconds between two tries while the archive is away. They begin with IDLE_SECONDS and double."""
REFUSED_SECONDS = 600.0
"""Seconds until a copy that the archive has refused is tried again."""
RECOUNT_SECONDS = 300.0
SpooledCopy = tuple[CopyName, str]


class StoreOutcome(Enum):
    """What became of the try to store a copy."""

    THERE = auto()
    DAMAGED = auto()  # its bytes are not those that were sent
    REFUSED = auto()  # the archive has other bytes under its key, or will never take it
    AWAY = auto()  # the archive did not say yes
    RENAMED = auto()  # its email has got the wire meanwhile: the next pass finds it


@dataclass(frozen=True, slots=True)
class StoreResult:
    """One try. `reason`: why it is not there, for people."""

    stored: StoreOutcome
    size: int = 0
    reason: str = ""


class Archiver:
    """Empties one channel's spool. `step` is one pass over it."""

    def __init__(
        self,
        channel: str,
        spool: Spool,
        ledger: ArchiveLedger,
        make_store: Callable[[], FileTransport],
        uploads: int,
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`uploads`: how many copies are stored at the same time, each by a store of its own thread."""
        self._channel = channel
        self._spool = spool
        self._ledger = ledger
        self._beat = beat
        self._clock = clock
        self._stores = threading.local()
        self._made: list[FileTransport] = []
        self._pool = ThreadPoolExecutor(uploads, f"archive-{channel}", lambda: self._open(make_store))
        self._away = ""
        self._pause = IDLE_SECONDS
        self._passed: Counter[CopyFate] = Counter()
        self._stored = 0
        self._refused: dict[CopyName, float] = {}  # and when each is to be tried again
        self._told = 0

    @property
    def away(self) -> str:
        """Why nothing goes into the archive; "" while it does."""
        return self._away

    @property
    def drained(self) -> bool:
        """Whether the last pass found nothing that could go into the archive."""
        return not self._away and not self._stored

    @property
    def detail(self) -> str:
        """How the spool and the archive are, in words."""
        waiting = sum(self._passed[fate] for fate in (CopyFate.WAIT, CopyFate.UNKNOWN))
        words = [f"{self._spool.used_bytes:,} bytes in the spool"]
        words += [f"{waiting:,} copies wait for their emails"] if waiting else []
        words += [f"{len(self._refused):,} are refused by the archive"] if self._refused else []
        words += [f"the archive is away: {self._away}"] if self._away else []
        return ", ".join(words)

    def recount(self) -> float:
        """Set right how full the spool counts as."""
        self._spool.recount()
        return RECOUNT_SECONDS

    def step(self) -> float:
        """One pass: what was accepted goes into the archive, what was not is removed. Raises `DatabaseGone`."""
        self._passed, self._stored = Counter(), 0
        copies = self._spool.copies()
        while some := list(islice(copies, BATCH)):
            self._beat()
            if not self._take(some):
                self._pause = min(AWAY_SECONDS, 2 * self._pause)
                return self._pause
        self._tell()
        self._pause = IDLE_SECONDS
        return 0.0 if self._stored else IDLE_SECONDS

    def close(self) -> None:
        """Finish what is under way."""
        self._pool.shutdown()
        for store in self._made:
            store.close()

    def _take(self, some: Sequence[SpooledCopy]) -> bool:
        """Deal with some copies. False: the archive is away."""
        standings = self._ledger.standings((name.job_id, name.email_id) for name, _ in some)
        fates = [(fate_of(name, ending, standings.get(name.email_id)), (name, ending)) for name, ending in some]
        self._passed.update(fate for fate, _ in fates)
        self._remove([copy for fate, copy in fates if fate is CopyFate.DROP])
        now = self._clock()
        accepted = [copy for fate, copy in fates if fate is CopyFate.ARCHIVE]
        return self._archive([copy for copy in accepted if self._refused.get(copy[0], now) <= now])

    def _archive(self, copies: Sequence[SpooledCopy]) -> bool:
        if not copies:
            return True
        results = list(zip(copies, self._pool.map(self._store, copies), strict=True))
        failpoints.reach("archive.stored")
        there = [(copy, result) for copy, result in results if result.stored is StoreOutcome.THERE]
        damaged = [(copy, result) for copy, result in results if result.stored is StoreOutcome.DAMAGED]
        self._ledger.archived([_row(name, result.size) for (name, _), result in there])
        self._ledger.not_kept([_row(name, result.size) for (name, _), result in damaged])
        failpoints.reach("archive.recorded")
        self._remove([copy for copy, _ in (*there, *damaged)])
        self._stored += len(there)
        self._tell_of(results)
        return not self._note_away(results)

    def _store(self, copy: SpooledCopy) -> StoreResult:
        """Store one copy, in a thread of the pool."""
        name, ending = copy
        try:
            content = self._spool.read(name, ending)
        except FileNotFoundError:
            return StoreResult(StoreOutcome.RENAMED)
        except OSError as error:
            return StoreResult(StoreOutcome.AWAY, 0, f"the spool cannot be read: {error}")
        if hashlib.sha256(content).hexdigest() != name.sha256:
            return StoreResult(StoreOutcome.DAMAGED, len(content), "its bytes are not those that were sent")
        try:
            store: FileTransport = self._stores.store
            store.send(_files(name, content), grant=lambda: None)
        except PermanentFailure as refused:
            return StoreResult(StoreOutcome.REFUSED, len(content), refused.reply)
        except DeliveryFailure as failure:
            return StoreResult(StoreOutcome.AWAY, len(content), failure.reply)
        return StoreResult(StoreOutcome.THERE, len(content))

    def _open(self, make_store: Callable[[], FileTransport]) -> None:
        self._stores.store = make_store()
        self._made.append(self._stores.store)

    def _remove(self, copies: Sequence[SpooledCopy]) -> None:
        for name, ending in copies:
            try:
                self._spool.drop(name, ending)
            except OSError as error:
                log.warning("archive_copy_not_removed", channel=self._channel, **_facts(name), reason=str(error))

    def _note_away(self, results: Sequence[tuple[SpooledCopy, StoreResult]]) -> bool:
        reason = next((result.reason for _, result in results if result.stored is StoreOutcome.AWAY), "")
        if reason and not self._away:
            log.warning("archive_away", channel=self._channel, reason=reason)
        elif self._away and not reason:
            log.info("archive_back", channel=self._channel)
        self._away = reason
        return bool(reason)

    def _tell_of(self, results: Sequence[tuple[SpooledCopy, StoreResult]]) -> None:
        for (name, _), result in results:
            if result.stored is StoreOutcome.DAMAGED:
                log.error(
                    "archive_copy_damaged",
                    channel=self._channel,
                    **_facts(name),
                    size=result.size,
                    reason=result.reason,
                )
            if result.stored is not StoreOutcome.REFUSED:
                self._refused.pop(name, None)
                continue
            if name not in self._refused:
                log.error("archive_copy_refused", channel=self._channel, **_facts(name), reason=result.reason)
            self._refused[name] = self._clock() + REFUSED_SECONDS

    def _tell(self) -> None:
        """Say how many copies the ledger does not know, when there are more or fewer."""
        unknown = self._passed[CopyFate.UNKNOWN]
        if unknown != self._told:
            self._told = unknown
            log.error("archive_copies_unknown", channel=self._channel, count=unknown)


def _files(name: CopyName, content: bytes) -> Files:
    return Files(name.email_id, name.gen, (File(name.key, content, CONTENT_TYPE, name.sha256),))


def _row(name: CopyName, size: int) -> StoredCopy:
    return StoredCopy(name.job_id, name.email_id, name.gen, name.sha256, size)


def _facts(name: CopyName) -> dict[str, object]:
    return {"job_id": name.job_id, "email_id": name.email_id, "gen": name.gen}
