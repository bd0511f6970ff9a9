"""Counts of a job by verdict and by the groups of differences of an email, with a digest over all. Bounded."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eed_delivery.shadow.differences import EmailDifference
from eed_delivery.shadow.fates import Judged, ShadowVerdict

MOST_GROUPS = 300
"""Groups of one job. What comes behind them is one group for each field."""
MOST_SIGNATURES = 1000
OTHERS = "other differences"
KEPT_KEYS = 1000
"""Emails that are named of each combination of groups."""


@dataclass(slots=True)
class JobTally:
    """What a job has come to so far. `counts` is by verdict and the groups of an email, as "differs ab12 cd34".

    `groups` has field, description and the first email of each group. `digest` is chained over all emails.
    """

    digest: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    groups: dict[str, dict[str, str]] = field(default_factory=dict)
    old: dict[str, int] = field(default_factory=dict)
    new: dict[str, int] = field(default_factory=dict)

    def add(self, key: str, found: Judged) -> str | None:
        """Count one email. Returns the groups that it is to be named with, or None if it need not be."""
        names = [self._group(difference, key) for difference in found.differences]
        signature = " ".join([found.verdict, *sorted(set(names))])
        if signature not in self.counts and len(self.counts) >= MOST_SIGNATURES:
            signature = " ".join([found.verdict, *sorted({self._others(one, key) for one in found.differences})])
        self.counts[signature] = count = self.counts.get(signature, 0) + 1
        chained = f"{self.digest}\0{key}\0{signature}"
        self.digest = hashlib.sha256(chained.encode("utf-8", "surrogatepass")).hexdigest()
        is_named = found.verdict is not ShadowVerdict.SAME and count <= KEPT_KEYS
        return signature.partition(" ")[2] if is_named else None

    def _group(self, difference: EmailDifference, key: str) -> str:
        if difference.group not in self.groups and len(self.groups) >= MOST_GROUPS:
            return self._others(difference, key)
        return self._named(difference, key)

    def _others(self, difference: EmailDifference, key: str) -> str:
        return self._named(EmailDifference(difference.field, OTHERS), key)

    def _named(self, difference: EmailDifference, key: str) -> str:
        known = {"field": str(difference.field), "what": difference.what, "key": key}
        self.groups.setdefault(difference.group, known)
        return difference.group

    def as_json(self) -> dict[str, Any]:
        """It as the ledger keeps it."""
        return {"digest": self.digest, "counts": self.counts, "groups": self.groups, "old": self.old, "new": self.new}

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> "JobTally":
        """It as `as_json` made it."""
        if not kept:
            return cls()
        parts = {name: dict(kept[name]) for name in ("counts", "groups", "old", "new")}
        return cls(kept["digest"], **parts)


def total(counts: Mapping[str, int], verdict: ShadowVerdict) -> int:
    """How many emails have a verdict."""
    return sum(count for signature, count in counts.items() if signature.partition(" ")[0] == verdict)


def signatures(counts: Mapping[str, int]) -> Iterable[tuple[ShadowVerdict, tuple[str, ...], int]]:
    """Verdict, groups and how many emails have just these."""
    for signature, count in counts.items():
        verdict, *names = signature.split(" ")
        yield ShadowVerdict(verdict), tuple(names), count
