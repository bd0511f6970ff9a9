"""Public keys of proxies, by their id. They are fetched when they are first needed, and kept.

A fetch holds no lock: one that is slow keeps nobody waiting whose key is there.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWKSet
from jwt.exceptions import PyJWTError

log = structlog.get_logger(__name__)

FETCH_SECONDS = 2.0
"""Limit of one fetch. The request that needs the key waits."""
KEPT_SECONDS = 3600.0
AGAIN_SECONDS = 30.0
"""Between two fetches of a key that could not be had, and of a set that lacks a key."""
MOST_KEYS = 64
MOST_FETCHES = 2
"""Limit: at a time. Invented ids must not keep all threads of the server waiting."""

Fetch = Callable[[str], bytes]
"""Gets an address within `FETCH_SECONDS`. Raises OSError."""


class NoKey(Exception):
    """The key cannot be had: the proxy has no such key, or its keys cannot be fetched now."""


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: Mapping[str, Any]
    until: float


class PemKeys:
    """The keys of AWS's load balancers: each is a PEM at an address of its own, which never changes."""

    def __init__(self, base_url: str, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._base_url = base_url.rstrip("/")
        self._fetch = fetch
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._fetches = threading.BoundedSemaphore(MOST_FETCHES)

    def key(self, kid: str) -> Any:
        """The key of an id, which must have been checked: it becomes part of an address. Raises `NoKey`."""
        with self._lock:
            kept = self._kept.get(kid)
        if kept is None or self._clock() > kept.until:
            if not self._fetches.acquire(timeout=FETCH_SECONDS):
                raise NoKey(kid)
            try:
                kept = self._look(kid)
            finally:
                self._fetches.release()
            with self._lock:
                self._kept[kid] = kept
                while len(self._kept) > MOST_KEYS:
                    self._kept.pop(next(iter(self._kept)))
        if not kept.keys:
            raise NoKey(kid)
        return kept.keys[kid]

    def _look(self, kid: str) -> _Kept:
        try:
            found = load_pem_public_key(self._fetch(f"{self._base_url}/{kid}"))
        except (OSError, ValueError) as error:
            log.warning("signing_keys_missed", reason=str(error))
            return _Kept({}, self._clock() + AGAIN_SECONDS)
        return _Kept({kid: found}, self._clock() + KEPT_SECONDS)


class JwksKeys:
    """The keys of a set (RFC 7517). It is fetched again for an id that it lacks, but not more often than allowed."""

    def __init__(self, url: str, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._kept = _Kept({}, 0)
        self._again_at = float("-inf")
        self._lock = threading.Lock()
        self._looked = threading.Event()
        self._looked.set()

    def key(self, kid: str) -> Any:
        """The key of an id. Raises `NoKey`."""
        now = self._clock()
        with self._lock:
            wanted = (kid not in self._kept.keys or now > self._kept.until) and now >= self._again_at
            if wanted:
                self._again_at = now + AGAIN_SECONDS
                self._looked.clear()
        if wanted:
            try:
                self._look(now)
            finally:
                self._looked.set()
        elif kid not in self._kept.keys:  # another request may fetch it just now
            self._looked.wait(FETCH_SECONDS)
        kept = self._kept.keys
        if kid not in kept:
            raise NoKey(kid)
        return kept[kid]

    def _look(self, now: float) -> None:
        """Keys that are there stay, while their set cannot be fetched."""
        try:
            found = PyJWKSet.from_json(self._fetch(self._url).decode())
        except (OSError, ValueError, PyJWTError) as error:
            log.warning("signing_keys_missed", reason=str(error))
            return
        self._kept = _Kept({key.key_id: key.key for key in found.keys if key.key_id}, now + KEPT_SECONDS)
