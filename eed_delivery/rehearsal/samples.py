"""Which emails are worth a person's look. The choice is the same however many processes rendered them."""

import hashlib
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eed_delivery.rehearsal.branches import Branch
from eed_delivery.rehearsal.looked_at import LookedAt

RANDOM = 20
_Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Sample:
    """An email to look at, and why. `digest` is that of its message when it was rehearsed."""

    key: str
    why: str
    digest: str


class Choice:
    """Chooses while the emails go by: the extremes, one of each branch, and some at random."""

    def __init__(self, branches: Sequence[Branch], random: int = RANDOM, seed: str = "") -> None:
        self._branches = branches
        self._random = random
        self._seed = seed
        self._shortest: LookedAt | None = None
        self._longest: LookedAt | None = None
        self._most: LookedAt | None = None
        self._with: dict[int, LookedAt] = {}
        self._without: dict[int, LookedAt] = {}
        self._drawn: list[tuple[int, str, LookedAt]] = []

    def see(self, email: LookedAt) -> None:
        """The next email, by key. One that cannot be rendered is no sample."""
        if not email.digest:
            return
        if self._shortest is None or email.size < self._shortest.size:
            self._shortest = email
        if self._longest is None or email.size > self._longest.size:
            self._longest = email
        if self._most is None or len(email.files) > len(self._most.files):
            self._most = email
        for place in range(len(self._branches)):
            (self._with if email.branches >> place & 1 else self._without).setdefault(place, email)
        self._draw(email)

    def _draw(self, email: LookedAt) -> None:
        """The keys with the smallest hashes are at random, whatever the order in which they come."""
        if not self._random:
            return
        number = int.from_bytes(hashlib.sha256(f"{self._seed}:{email.key}".encode()).digest()[:8], "big")
        item = (-number, email.key, email)
        if len(self._drawn) < self._random:
            heapq.heappush(self._drawn, item)
        elif item > self._drawn[0]:
            heapq.heapreplace(self._drawn, item)

    def all(self) -> list[Sample]:
        """The samples. An email that was chosen twice says both reasons."""
        why: dict[str, tuple[LookedAt, list[str]]] = {}
        for email, reason in self._reasons():
            if email is not None:
                why.setdefault(email.key, (email, []))[1].append(reason)
        return [Sample(key, ", ".join(reasons), email.digest) for key, (email, reasons) in why.items()]

    def _reasons(self) -> Iterable[tuple[LookedAt | None, str]]:
        yield self._shortest, "shortest"
        yield self._longest, "longest"
        yield (self._most if self._most is not None and self._most.files else None), "most attachments"
        for place, branch in enumerate(self._branches):
            yield self._with.get(place), branch.name
            yield self._without.get(place), f"not {branch.name}"
        for _, _, email in sorted(self._drawn, reverse=True):
            yield email, "at random"
