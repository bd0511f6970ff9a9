"""Takes the outstanding manifests of one channel and puts them: the CSV first, and the JSON last, which completes it.

A manifest is put as an email's files are: nothing is replaced, and the same bytes that are there count as put. Its
digest is in the ledger before the first byte leaves. If a later try would make other bytes, because a person of it was
erased meanwhile, it gets the next number instead.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from eed_delivery.errors import ConfigError, DeliveryFailure, InDoubt, InfrastructureFailure, NoGrant, PermanentFailure
from eed_delivery.hints import hint
from eed_delivery.ledger.manifests import ManifestClaim, ManifestFacts, ManifestLedger
from eed_delivery.manifests.contents import ManifestFiles, made
from eed_delivery.model import Files
from eed_delivery.rendering.manifest_paths import ManifestPaths
from eed_delivery.runtime import failpoints
from eed_delivery.transports import FileTransport

log = structlog.get_logger(__name__)

IDLE_SECONDS = 2.0
LEASE_SECONDS = 60.0
RENEW_SECONDS = 15.0
LONGEST_SECONDS = 3600.0
"""Limit: seconds in which one manifest is to be put. After that its lease and its beat stop."""
AGAIN_SECONDS = 5.0
MOST_AGAIN_SECONDS = 60.0
"""Seconds until the next try while the store is away. They begin with AGAIN_SECONDS and double."""
NO_EMAIL = 0
REFUSED_SECONDS = 600.0
"""Seconds until a manifest that the store will never take is tried again, should a person have made room for it."""


class ManifestPutter:
    """One channel's, in one process. `step` and `renew` each have a loop."""

    def __init__(
        self,
        channel: str,
        ledger: ManifestLedger,
        paths: ManifestPaths | None,
        make_transport: Callable[[], FileTransport],
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`paths` None: the channel puts no manifests. `beat`: says that `step` lives, while a large one is put."""
        self._channel = channel
        self._ledger = ledger
        self._paths = paths
        self._make_transport = make_transport
        self._beat = beat
        self._clock = clock
        self._transport: FileTransport | None = None
        self._lock = threading.Lock()
        self._in_hand: tuple[ManifestClaim, float] | None = None

    def step(self) -> float:
        """Put one manifest, if one is wanted. Raises `DatabaseGone`."""
        if self._paths is None:
            if dropped := self._ledger.drop(self._channel):
                log.warning("manifests_dropped", channel=self._channel, count=dropped)
            return MOST_AGAIN_SECONDS
        claim = self._ledger.claim(self._channel, LEASE_SECONDS)
        if claim is None:
            return IDLE_SECONDS
        with self._held(claim):
            self._try(claim, self._paths)
        return 0.0

    def renew(self) -> float:
        """Keep what is in hand. Raises `DatabaseGone`."""
        with self._lock:
            in_hand = self._in_hand
        if in_hand is not None and self._clock() < in_hand[1]:
            self._beat()
            self._ledger.renew(in_hand[0], LEASE_SECONDS)
        return RENEW_SECONDS

    @contextmanager
    def _held(self, claim: ManifestClaim) -> Iterator[None]:
        with self._lock:
            self._in_hand = claim, self._clock() + LONGEST_SECONDS
        try:
            yield
        finally:
            with self._lock:
                self._in_hand = None

    def _try(self, claim: ManifestClaim, paths: ManifestPaths) -> None:
        """What goes wrong costs time and nothing else. No connection is kept: manifests are few."""
        transport = None
        try:
            transport = self._opened()
            transport.probe()  # before half a million rows are read for a store that is away
            while not self._put(claim, paths, transport):
                claim = self._ours(self._ledger.renumber(claim))
        except NoGrant:
            log.info("manifest_left", **_facts(claim))
        except DeliveryFailure as failure:
            self._put_off(claim, failure)
        except ConfigError as error:
            self._put_off(claim, InfrastructureFailure(unusable_here(error)))
        except OSError as error:
            words = f"it cannot be written on this host: {error.strerror or error}. Make room for temporary files"
            self._put_off(claim, InfrastructureFailure(words))
        finally:
            if transport is not None:
                transport.close()

    def _put(self, claim: ManifestClaim, paths: ManifestPaths, transport: FileTransport) -> bool:
        """False: an earlier try may have put other bytes under its name."""
        unlisted = self._ledger.unlisted(claim)
        with made(claim, paths.of(claim.job, claim.number), self._ledger.files(claim), unlisted) as files:
            if claim.sha256 not in (None, files.json.sha256):
                return False
            if not self._ledger.freeze(claim, files.json.sha256):
                raise NoGrant("another worker has it")
            failpoints.reach("manifest.frozen")
            self._hand_over(claim, files, transport)
            failpoints.reach("manifest.put")
            facts = ManifestFacts(files.json.path, files.json.sha256, files.count, files.size, unlisted)
            if self._ledger.put(claim, facts):
                log.info("manifest_put", **_facts(claim), path=facts.path, count=facts.files, sha256=facts.sha256)
            failpoints.reach("manifest.recorded")
        return True

    def _hand_over(self, claim: ManifestClaim, files: ManifestFiles, transport: FileTransport) -> None:
        """After a lost answer the store is asked. What is not there is put by the next try."""

        def grant() -> None:
            if not self._ledger.grant(claim, LEASE_SECONDS):
                raise NoGrant("its channel is held, or another worker has it")

        message = Files(NO_EMAIL, claim.number, (files.csv, files.json))
        try:
            transport.send(message, grant)
        except InDoubt as doubt:
            if transport.settle(message) is None:
                raise InfrastructureFailure(f"not put: {doubt.reply}") from doubt

    def _put_off(self, claim: ManifestClaim, failure: DeliveryFailure) -> None:
        again = min(MOST_AGAIN_SECONDS, AGAIN_SECONDS * 2 ** min(claim.tries, 9))
        seconds = REFUSED_SECONDS if isinstance(failure, PermanentFailure) else again
        self._ledger.later(claim, failure.reply, seconds)
        todo = hint("job", key=claim.job)
        log.warning("manifest_not_put", **_facts(claim), reason=failure.reply, seconds=seconds, todo=todo)

    def _opened(self) -> FileTransport:
        if self._transport is None:
            self._transport = self._make_transport()
        return self._transport

    @staticmethod
    def _ours(claim: ManifestClaim | None) -> ManifestClaim:
        if claim is None:
            raise NoGrant("another worker has it, or a later one lists its files too")
        return claim


def unusable_here(error: ConfigError) -> str:
    """Why a host cannot put a channel's manifests. Another host may."""
    return f"{socket.gethostname()} cannot use the channel: {' '.join(map(str, error.problems))}"


def _facts(claim: ManifestClaim) -> dict[str, object]:
    return {"job": claim.job, "job_id": claim.job_id, "number": claim.number}
