"""The attachments that all emails of a job share, read and encoded once, and kept up to a limit of bytes."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from eed_delivery.rendering.mime import BodyPart

MAX_BYTES = 32 * 1024 * 1024
"""Of encoded attachments kept, for all jobs together. A job with more is read anew for each email."""


class SharedParts:
    """A cache, bounded in bytes. The job used longest ago goes first. Safe to use from many threads."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[int, tuple[BodyPart, ...]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: int, reading: Lock, read: Callable[[], tuple[BodyPart, ...]]) -> tuple[BodyPart, ...]:
        """What is kept under `key`, else what `read` gives. `reading` is the key's own lock.

        One thread at a time reads the same files. What `read` raises is not kept, so the next email tries again.
        """
        kept = self._find(key)
        if kept is not None:
            return kept
        with reading:
            kept = self._find(key)
            if kept is None:
                kept = read()
                self._keep(key, kept)
            return kept

    def _find(self, key: int) -> tuple[BodyPart, ...] | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: int, parts: tuple[BodyPart, ...]) -> None:
        size = sum(part.size for part in parts)
        if size > self._max_bytes:
            return
        with self._lock:
            self._kept[key] = parts
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= sum(part.size for part in dropped)
