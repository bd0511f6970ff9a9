"""What a log has proven of doubts, kept until a person has confirmed that they are settled by it."""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from eed_delivery.model import EmailState
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.tracking.relay_logs.sightings import LogVerdict

SETTLED_AS: Mapping[LogVerdict, EmailState] = {
    LogVerdict.ACCEPTED: EmailState.SENT,
    LogVerdict.BOUNCED: EmailState.FAILED,
    LogVerdict.NOT_THERE: EmailState.FAILED,
    LogVerdict.DEFERRED: EmailState.SENT,
}
"""Verdicts that settle an email, and as what."""
USUAL = (LogVerdict.ACCEPTED, LogVerdict.BOUNCED, LogVerdict.NOT_THERE)
"""What is deferred may still bounce. It is settled only where it is asked for."""
LARGEST_PLAN = 64 * 1024 * 1024
"""Bytes of one that is read again."""


@dataclass(frozen=True, slots=True)
class ProvenDoubt:
    """What is proven of an email in doubt, of this generation and hand-over. `evidence` is the line that proves it."""

    email_id: int
    gen: int
    wire_at: datetime | None
    verdict: LogVerdict
    evidence: str


@dataclass(frozen=True, slots=True)
class DoubtsPlan:
    """All doubts, as they were when the log was read."""

    proven: tuple[ProvenDoubt, ...]

    @property
    def etag(self) -> str:
        """What changes with the doubts, and with what is proven of them."""
        facts = sorted((one.email_id, one.gen, _text(one.wire_at), one.verdict.value) for one in self.proven)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    @property
    def counts(self) -> dict[LogVerdict, int]:
        """How many doubts have which verdict."""
        found = Counter(one.verdict for one in self.proven)
        return {verdict: found[verdict] for verdict in LogVerdict}

    def chosen(self, verdicts: Collection[LogVerdict]) -> Sequence[ProvenDoubt]:
        """Those with these verdicts. Raises `InvalidRequest`."""
        impossible = [verdict.value for verdict in verdicts if verdict not in SETTLED_AS]
        if impossible or not verdicts:
            which = ", ".join(SETTLED_AS)
            raise InvalidRequest(f"emails can be settled that are {which}", which="verdicts")
        return [one for one in self.proven if one.verdict in verdicts]

    def packed(self) -> bytes:
        """As bytes."""
        rows = [(one.email_id, one.gen, _text(one.wire_at), one.verdict.value, one.evidence) for one in self.proven]
        return zlib.compress(json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace"))

    @classmethod
    def unpacked(cls, data: bytes) -> "DoubtsPlan":
        """Of `packed`. The bytes must be ours."""
        text = zlib.decompressobj().decompress(data, LARGEST_PLAN)
        return cls(
            tuple(
                ProvenDoubt(i, gen, datetime.fromisoformat(at) if at else None, LogVerdict(verdict), line)
                for i, gen, at, verdict, line in json.loads(text)
            )
        )


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
